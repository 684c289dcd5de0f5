# One image for web, worker, beat and migrate; docker-compose.yml says which runs what. The servers are not in it.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv
# Extras by name, such as "duplicates parquet": README.md lists them.
ARG EXTRAS=""
COPY requirements /tmp/requirements
RUN pip install --quiet --require-hashes $(for name in run $EXTRAS; do echo "-r /tmp/requirements/$name.txt"; done)
COPY . /app
WORKDIR /app
RUN for catalogue in locale/*/LC_MESSAGES/*.po; do pybabel compile -i "$catalogue" -o "${catalogue%.po}.mo"; done
# Collecting reads the settings, which want their variables; nothing of these three reaches the image.
RUN SECRET_KEY=build DATABASE_URL=postgres://build/build BROKER_URL=redis://build/0 STATIC_ROOT=/app/staticfiles \
    python manage.py collectstatic --no-input --verbosity 0

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app strata && install --directory --owner strata /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data STATIC_ROOT=/app/staticfiles GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000
USER strata
VOLUME /data
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--blocking-threads", "4", "--no-ws", "--workers-kill-timeout", "8", "cdp.wsgi:application"]
