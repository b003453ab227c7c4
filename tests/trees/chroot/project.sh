# A C project is built, tested and installed by make: a shared library with versions and thread-local storage, a plug-in, a program.
set -e
exec 2>&1
cp -r ../sources/project .
cd project
make --no-print-directory -j2 -s all
make --no-print-directory -s check
make -s install DESTDIR=../out
find ../out -type f -o -type l | sort
make -s clean
ls | sort
