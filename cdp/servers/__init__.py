"""The embedded servers and the processes of one machine: PostgreSQL, Valkey, web, worker and beat.

Only `stack.py` and `database_check.py` import Django: `manage.py` starts the servers before it reads the settings,
since those read the file that is written here.
"""
