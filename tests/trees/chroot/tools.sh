# Programs of the base system that start others, map much, or have threads.
set -e
exec 2>&1
seq 200000 > n
sort -R --random-source=/dev/zero --parallel=4 n | md5sum; sort --parallel=4 -S 1M n | md5sum
tar -C /etc -cf - . | tar -tf - | LC_ALL=C sort | grep -v lode | md5sum
gzip -9 < n | gunzip | md5sum
find /usr/share/perl -type f | xargs -P 2 -n 50 cat | wc -c
bash -c 'echo $(echo a | tr a b) $((6*7)); (echo sub); for i in {1..20}; do (exit $i) & done; wait; cat <(echo p); coproc cat; echo x >&${COPROC[1]}; read y <&${COPROC[0]}; echo $y'
awk 'BEGIN { while ("seq 5" | getline n) s += n; print s, sin(1), systime() > 0 }'
sed --version | head -1; grep -c '' n; grep -P '^1(?=9+$)' n | md5sum
ls /usr /nonexistent || echo $?; readlink /proc/self/exe
date -u -d '1970-01-01 12:00 CET' +%s; TZ=Europe/Berlin date -d @0
timeout 1 sleep 60 || echo $?; env -i /bin/true; echo $?; nice -n 5 nice; stdbuf -oL echo buffered
(ulimit -v 2000000; ls / | wc -l); sh -c 'ulimit -s 256; exec ls /' | wc -l
python3 -c 'import ctypes, ssl, sqlite3, lzma, bz2, zlib, decimal, curses, hashlib, uuid, readline, multiprocessing, asyncio, json, _decimal, xml.parsers.expat
print(decimal.Decimal(1) / 3, sqlite3.connect(":memory:").execute("select 6*7").fetchone(), ssl.create_default_context().check_hostname)
print(ctypes.CDLL("libm.so.6").abs(-3), len(multiprocessing.Pool(2).map(abs, range(100))))'
