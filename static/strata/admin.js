// A row added to a form is new to htmx: bind its buttons.
document.addEventListener("formset:added", (event) => htmx.process(event.target));
