"""Settings of every process, read from the environment; README lists the variables.

A running embedded stack leaves `stack.env` in its data folder, so that `manage.py` commands find the same servers.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from cdp.servers.data_dir import BASE_DIR, data_dir
from cdp.servers.stack_file import read_stack_file
from cdp.unfold import UNFOLD  # noqa: F401 - a setting

env = environ.Env()
env.ENVIRON = {**read_stack_file(data_dir()), **os.environ}


def required(name: str) -> str:
    """A variable without which nothing starts.

    Raises:
        ImproperlyConfigured: it is not set.
    """
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set, and {data_dir()} holds no stack: `make up` makes one (README.md)."
        )
    return value


DATA_DIR = data_dir()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = required("SECRET_KEY")
PORT = env.int("PORT", default=8000)
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}")
IS_HTTPS = PUBLIC_URL.startswith("https://")
# Probes and proxies of the same machine ask by its local names.
ALLOWED_HOSTS = [
    urlsplit(PUBLIC_URL).hostname or "",
    *env.list("ALLOWED_HOSTS", default=[]),
    "localhost",
    "127.0.0.1",
    "[::1]",
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if IS_HTTPS else []

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "health_check",
    "rest_framework",
    "cdp",
    "profiles",
    "tags",
    "segments",
    "campaigns",
    "demo",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "cdp.nul.NulInAddress",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "cdp.urls"
WSGI_APPLICATION = "cdp.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # widgets find their templates in DIRS too

# --- Servers -------------------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url_config(required("DATABASE_URL"))}
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
    "min_size": 0,
    "max_size": env.int("DATABASE_POOL_SIZE", default=8),
}
# Lets the pool replace connections to a server that was restarted.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CELERY_BROKER_URL = required("BROKER_URL")
CELERY_WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=min(4, max(2, os.cpu_count() or 1)))
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# kB at most so far, after which a process that has ended its task makes way for another. A fresh one takes 140 MB and a
# large task up to 200 more: one that kept what a search for duplicates took would go beyond 500 MB by its next import.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 250_000
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
# Beat picks up what a lost message or a killed worker left behind; wake-ups below only hurry it. While no worker is
# free, its messages must not pile up: they expire.
CELERY_BEAT_SCHEDULE = {
    "process_inbox": {"task": "profiles.process_inbox", "schedule": 5.0, "options": {"expires": 10.0}},
    "refresh_changes": {"task": "profiles.refresh_changes", "schedule": 5.0, "options": {"expires": 10.0}},
    "follow_time": {"task": "profiles.follow_time", "schedule": 60.0, "options": {"expires": 60.0}},
    "queue_due_check": {"task": "profiles.queue_due_check", "schedule": 600.0, "options": {"expires": 600.0}},
    "resume_runs": {"task": "cdp.resume_runs", "schedule": 30.0, "options": {"expires": 60.0}},
    "purge_rejected": {"task": "profiles.purge_rejected", "schedule": 6 * 3600.0},
    "clean_up_uploads": {"task": "profiles.clean_up_uploads", "schedule": 12 * 3600.0},
    "ensure_partitions": {"task": "profiles.ensure_partitions", "schedule": 12 * 3600.0},
    "end_expired_tags": {"task": "tags.end_expired", "schedule": 60.0, "options": {"expires": 60.0}},
    "purge_ended_tags": {"task": "tags.purge_ended", "schedule": 12 * 3600.0},
    "count_tag_days": {"task": "tags.count_days", "schedule": 600.0, "options": {"expires": 600.0}},
    "queue_due_scores": {"task": "tags.queue_due_scores", "schedule": 600.0, "options": {"expires": 600.0}},
    "watch_sizes": {"task": "segments.watch_sizes", "schedule": 600.0, "options": {"expires": 600.0}},
    "queue_due_search": {"task": "profiles.queue_due_search", "schedule": 1800.0, "options": {"expires": 1800.0}},
    "watch_folders": {"task": "profiles.watch_folders", "schedule": 15.0, "options": {"expires": 15.0}},
    "send_webhooks": {"task": "cdp.send_webhooks", "schedule": 5.0, "options": {"expires": 10.0}},
    "tell_webhook_owners": {"task": "cdp.tell_webhook_owners", "schedule": 60.0, "options": {"expires": 60.0}},
    "purge_feeds": {"task": "cdp.purge_feeds", "schedule": 12 * 3600.0},
    "deliver_due": {"task": "campaigns.deliver_due", "schedule": 5.0, "options": {"expires": 10.0}},
}
STAGE_LANES = env.int("STAGE_LANES", default=CELERY_WORKER_CONCURRENCY)
# A doorway wakes the next stage by name (cdp/stages.py), so that no app imports one above it.
STAGES = {
    "messages_accepted": "profiles.process_inbox",
    "profiles_changed": "profiles.refresh_changes",
    "deliveries_planned": "campaigns.deliver_due",
    "feeds_changed": "cdp.send_webhooks",
}

# The broker's server, in a database of its own: clearing the cache must not clear the queue.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.str("CACHE_URL", default=urlsplit(CELERY_BROKER_URL)._replace(path="/1").geturl()),
    }
}

# --- People --------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "cdp.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
X_FRAME_OPTIONS = "DENY"

# --- Languages and times -------------------------------------------------------------------------------------------

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="zh-hans")
FORMAT_MODULE_PATH = "cdp.formats"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
# Inside, times are UTC; the business zone decides what a day is, and how times are shown.
TIME_ZONE = env.str("BUSINESS_TIME_ZONE", default="Asia/Shanghai")

# --- Files ---------------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "files"}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
IMPORT_FOLDER = Path(env.str("IMPORT_FOLDER", default=str(DATA_DIR / "import")))
IMPORT_QUIET_SECONDS = env.int("IMPORT_QUIET_SECONDS", default=30)
OUTBOX_DIR = Path(env.str("OUTBOX_DIR", default=str(DATA_DIR / "outbox")))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Strata <strata@localhost>")
# By which Strata itself writes to its users; without it, it does not.
EMAIL_URL = env.str("EMAIL_URL", default="")
IS_MAIL_SET_UP = bool(EMAIL_URL)
EMAIL_TIMEOUT = 15  # seconds: a mail server that says nothing must not hold a worker for ever
if IS_MAIL_SET_UP:
    globals().update(env.email_url_config(EMAIL_URL))

# What comes over HTTP is written there as it comes; on the disk of the files, so that keeping it is a rename.
UPLOAD_DIR = DATA_DIR / "uploads"
IMPORT_MAX_UPLOAD_BYTES = env.int("IMPORT_MAX_UPLOAD_BYTES", default=2 * 1024**3)
# A form of a wide file has some fields a column.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# --- HTTP API ------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["cdp.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["cdp.api.permissions.RolePermissions"],
    "DEFAULT_RENDERER_CLASSES": ["cdp.api.bodies.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["cdp.api.bodies.JsonParser"],
    "DEFAULT_FILTER_BACKENDS": ["cdp.api.choices.NamingFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "cdp.api.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "cdp.api.schema.Schema",
    "EXCEPTION_HANDLER": "cdp.api.problems.as_problem",
    "DATETIME_FORMAT": None,  # the renderer writes them, in UTC
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of our own
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Strata",
    "DESCRIPTION": "Profiles, tags, segments, tiers and campaigns of Strata.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": True,
    "ENUM_NAME_OVERRIDES": {
        "RunStateEnum": "cdp.models.Run.State",
        "DuplicateStateEnum": "profiles.models.duplicate.DuplicateSuggestion.State",
        "ConsentStateEnum": "profiles.models.consent.Consent.State",
        "HandlingEnum": "profiles.models.source.Handling",
        "IdentityChangeEnum": "profiles.models.IdentityChange.Change",
        "TagTurnEnum": "tags.feeds.Turn",
        "MembershipChangeEnum": "segments.models.MembershipChange.Change",
        "MergeCauseEnum": "profiles.models.ProfileMerge.Cause",
        "WebhookReasonEnum": "cdp.webhooks.models.Webhook.Reason",
        "WebhookMessageStateEnum": "cdp.webhooks.models.WebhookMessage.State",
        "MoveCauseEnum": "cdp.rules.causes.Cause",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cdp.api.schema.add_problems",
        "cdp.api.schema.add_rules",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Collecting ----------------------------------------------------------------------------------------------------

COLLECT_MAX_REQUEST_BYTES = 5 * 1024 * 1024
COLLECT_MAX_MESSAGE_BYTES = 32 * 1024
# More than any SDK puts into a request. Two million rejected ones fit into 5 MB, and would busy the server for minutes.
COLLECT_MAX_MESSAGES = 20_000
# Where Segment's SDK for browsers is installed, which Strata then serves to the snippet.
ANALYTICS_JS_DIR = Path(folder) if (folder := env.str("ANALYTICS_JS_DIR", default="")) else None
# A client that makes names of ids must not fill every list: beyond, messages with new events are rejected, and new
# traits stay in their event.
MAX_DISCOVERED_EVENTS = env.int("MAX_DISCOVERED_EVENTS", default=10_000)
MAX_DISCOVERED_ATTRIBUTES = env.int("MAX_DISCOVERED_ATTRIBUTES", default=2_000)

# --- Consents ------------------------------------------------------------------------------------------------------

# What people can be asked their consent for: a word on another is refused, or counted as not understood in traits.
CONSENT_CHANNELS = tuple(env.list("CONSENT_CHANNELS", default=["email", "sms", "phone", "push", "wechat", "post"]))
if odd := [channel for channel in CONSENT_CHANNELS if not re.fullmatch(r"[-a-zA-Z0-9_]{1,50}", channel)]:
    raise ImproperlyConfigured(f"CONSENT_CHANNELS: {odd[0]!r} is not made of 1 to 50 letters, digits, - and _.")

# --- Duplicates ----------------------------------------------------------------------------------------------------

# From which probability on two profiles are suggested to be one person.
DUPLICATE_THRESHOLD = env.float("DUPLICATE_THRESHOLD", default=0.9)
if not 0.5 <= DUPLICATE_THRESHOLD < 1:
    raise ImproperlyConfigured(f"DUPLICATE_THRESHOLD is {DUPLICATE_THRESHOLD}: it must be at least 0.5 and below 1.")

# Rejected messages wait so long for somebody to correct their cause and replay them.
REJECTED_MESSAGE_DAYS = env.int("REJECTED_MESSAGE_DAYS", default=90)

# --- Feeds and webhooks --------------------------------------------------------------------------------------------

# Changes are kept so long in the feeds, and in the history of people; 0 keeps them for ever.
FEED_RETENTION_DAYS = env.int("FEED_RETENTION_DAYS", default=400)
WEBHOOK_DISABLE_DAYS = env.int("WEBHOOK_DISABLE_DAYS", default=3)
# A name that its owner points at 10.0.0.1 would have us ask our own network: what is private must be allowed here.
WEBHOOK_NETWORKS = tuple(
    ip_network(each) for each in env.list("WEBHOOK_NETWORKS", default=["127.0.0.0/8", "::1/128"] if DEBUG else [])
)
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", default=DEBUG)

# --- Logs ----------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "cdp.logs.Formatter", "format": "{asctime} {levelname} {name}: {message}", "style": "{"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
