# A locale is compiled and used; localedef, messages, sorting and time in it.
set -e
exec 2>&1
localedef -i de_DE -f UTF-8 de_DE.UTF-8
locale -a
LC_ALL=de_DE.UTF-8 locale -k LC_TIME | md5sum
LC_ALL=de_DE.UTF-8 date -u -d @0 '+%A %B'
printf 'z\nä\na\n' | LC_ALL=de_DE.UTF-8 sort
LC_ALL=de_DE.UTF-8 python3 -c 'import locale; locale.setlocale(locale.LC_ALL, ""); print(locale.format_string("%.2f", 1234.5, grouping=True), locale.strxfrm("ä") < locale.strxfrm("z"))'
LC_ALL=de_DE.ISO-8859-1 locale charmap
