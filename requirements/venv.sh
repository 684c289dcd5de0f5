#!/bin/sh
# venv.sh FOLDER: make a virtual environment there with the first Python that is new enough. PYTHON names one to use instead.
set -eu
folder=$1
if "$folder/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exit 0
fi
found=${PYTHON:+$PYTHON does not run}
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        found="$python is $version"
        continue
    fi
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "strata: $python ($version) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
    echo "Making $folder with Python $version."
    rm -rf "$folder"
    exec "$python" -m venv "$folder"
done
echo "strata: Python 3.11 or newer is needed (${found:-there is none}). Install it (Debian 12: apt-get install python3 python3-venv)," \
     "or name yours: make PYTHON=/path/to/python3.12" >&2
exit 1
