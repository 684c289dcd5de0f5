// The pages of an import. Loaded in the head: Alpine, which is deferred, asks for its components afterwards.
document.addEventListener("alpine:init", () => {
  // A file on its way: checked here before it is sent, and again by the server.
  Alpine.data("upload", (limit, tooLarge, empty, cutOff) => ({
    file: null,
    over: false,
    percent: null,
    errors: {},
    request: null,
    init() {
      this.errors = Object.fromEntries([...this.$root.querySelectorAll("[x-text^='errors.']")].map(
        (element) => [element.getAttribute("x-text").slice("errors.".length), element.textContent.trim()]));
      this.$refs.file.hasChangeListener = true;  // Unfold's own would look for a text field that is not there
      this.take(this.$refs.file.files);  // kept by the browser where somebody comes back to this page
    },
    take(files) {
      if (!files.length) return;
      const [file] = files;
      this.errors.file = file.size > limit ? tooLarge : file.size === 0 ? empty : "";
      this.file = this.errors.file ? null : file;
    },
    size() {
      if (!this.file) return "";
      const units = ["B", "KB", "MB", "GB"];
      let size = this.file.size, unit = 0;
      while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
      return `${size.toLocaleString(undefined, { maximumFractionDigits: unit ? 1 : 0 })} ${units[unit]}`;
    },
    send(form) {
      if (!this.file || this.request) return;
      const body = new FormData(form);
      body.set("file", this.file);
      this.errors = {};
      this.percent = 0;
      const request = this.request = new XMLHttpRequest();
      request.open("POST", form.action || location.href);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
      request.upload.onprogress = (event) => { this.percent = Math.floor(event.loaded * 100 / event.total); };
      request.onload = () => this.answered(request);
      request.onerror = () => this.fail({ file: cutOff });
      request.send(body);
    },
    answered(request) {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not ours: a proxy's, say */ }
      if (answer.location) return location.assign(answer.location);
      const told = Object.entries(answer.errors ?? {}).map(([name, [first]]) => [name, first.message]);
      this.fail(told.length ? Object.fromEntries(told) : { file: request.status === 413 ? tooLarge : cutOff });
    },
    fail(errors) {
      this.errors = errors;
      this.percent = this.request = null;
    },
    stop() {
      this.request?.abort();
      this.percent = this.request = null;
    },
  }));

  // What each column becomes. `state` is that of profiles/admin/imports/column_form.py; `choice` of a use is what its
  // drop-down shows: "trait:city", "time", and "trait:*" for a key that is typed in.
  Alpine.data("columns", (address) => ({
    state: JSON.parse(document.getElementById("state").textContent),
    targets: JSON.parse(document.getElementById("targets").textContent),
    samples: {},
    offered: new Set(),  // keys that the drop-downs know
    types: {},  // of the attributes that the drop-downs know
    makes: {},
    problems: {},
    search: "",
    page: 100,  // columns that are drawn at a time: of 2,000, each with its drop-downs, a browser draws for a minute
    limit: 100,
    init() {
      const { samples, attributes, channels } = JSON.parse(document.getElementById("choices").textContent);
      this.samples = samples;
      this.types = Object.fromEntries(attributes.map(([key, , , type]) => [key, type]));
      this.offered = new Set([...attributes.map(([key]) => `trait:${key}`), ...channels.map(([key]) => `consent:${key}`)]);
      for (const column of this.state.columns) {
        if (!column.uses.length) column.uses.push(this.fresh());
        for (const use of column.uses) use.choice = this.choiceOf(use);
      }
      this.makes = { events: this.state.event !== "" || this.has("event", "property", "value", "message_id"),
                     consents: this.has("consent") };
      for (const { key } of this.targets) this.makes[key] = (this.state.targets[key] ?? []).length > 0;
      this.read();
    },
    fresh() { return { as: "", key: "", type: "", format: "", more: {}, choice: "" }; },
    choiceOf({ as, key }) {
      if (!["identifier", "trait", "consent", "property"].includes(as)) return as;
      const named = `${as}:${key}`;
      return as === "identifier" || this.offered.has(named) ? named : `${as}:*`;
    },
    picked(column, use) {
      const [as, ...rest] = use.choice.split(":"), key = rest.join(":");
      const format = as === "value" && this.numeric(use) ? use.format : "";  // it stays the number that it was
      const type = as === "trait" && key !== "*" ? this.typeOf(key) : "";
      Object.assign(use, { as, type, format, more: {}, key: key === "*" ? column.name : key });
      this.preview();
    },
    // As the drop-down promises it: without a type, what is no date would be taken in raw, and be no birthday either.
    typeOf(key) { return this.types[key] === "text" ? "" : (this.types[key] ?? ""); },
    has(...as) { return this.state.columns.some(({ uses }) => uses.some((use) => as.includes(use.as))); },
    found() {
      const wanted = this.search.trim().toLowerCase();
      return this.state.columns.filter(({ name }) => name.toLowerCase().includes(wanted));
    },
    shown() { return this.found().filter(({ name }, place) => place < this.limit || name in this.problems); },
    used() { return this.state.columns.filter(({ name, uses }) => this.fills(name) || uses.some((use) => use.as)).length; },
    fills(name) {  // the targets of which an object reads this column
      const reads = (item) => Object.values(item).some((value) => value?.column === name);
      return this.targets.filter(({ key }) => this.state.targets[key]?.some(reads)).map(({ label }) => label).join(" · ");
    },
    numeric(use) { return use.as === "value" || use.type === "number"; },
    dated(use) { return use.as === "time" || use.type === "date" || use.type === "datetime"; },
    forget(what) {  // what a row no longer says leaves no trace behind
      if (this.makes[what]) {
        if (this.state.targets[what]?.length === 0 || this.targets.some(({ key }) => key === what)) this.add(what);
        return;
      }
      const gone = { events: ["property", "value", "event", "message_id"], consents: ["consent"] }[what];
      if (!gone) delete this.state.targets[what];
      if (what === "events") this.state.event = this.state.time = "";
      for (const { uses } of this.state.columns) {
        for (const use of uses) if (gone?.includes(use.as)) Object.assign(use, this.fresh());
      }
      this.preview();
    },
    add(target) { (this.state.targets[target] ??= []).push({}); },
    drop(target, index) {
      this.state.targets[target].splice(index, 1);
      this.preview();
    },
    chosen(item, name) {
      const value = item[name];
      return value === undefined ? "" : typeof value === "object" ? `@${value.column}` : `=${value}`;
    },
    choose(item, name, value) {
      if (value === "") delete item[name];
      else item[name] = value.startsWith("@") ? { column: value.slice(1) } : value.slice(1);
      if (value.startsWith("@")) this.unguess(value.slice(1));
      this.preview();
    },
    // A column whose meaning is known now is no attribute of its own name too, which was a guess: by that, each row of a
    // list of addresses would make a customer.
    unguess(name) {
      for (const use of this.state.columns.find((column) => column.name === name)?.uses ?? []) {
        if (use.as === "trait" && use.key === name) Object.assign(use, this.fresh());
      }
    },
    async preview() {
      const values = { state: JSON.stringify(this.state), csrfmiddlewaretoken: this.$root.elements.csrfmiddlewaretoken.value };
      await htmx.ajax("POST", address, { source: "#preview", target: "#preview", indicator: "#previewing", values });
      this.read();
    },
    read() { this.problems = JSON.parse(document.getElementById("column-problems")?.textContent ?? "{}"); },
  }));
});
