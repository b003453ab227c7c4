# A package with a configuration script is unpacked, configured, installed again and purged; every step starts dozens of programs.
set -e
exec 2>&1
count() { sed "s/[0-9]* files and/N files and/"; }
mkdir -p p/DEBIAN p/usr/share/lode-test
printf '%s\n' 'Package: lode-test' 'Version: 1' 'Architecture: amd64' 'Maintainer: nobody <nobody@example.invalid>' 'Description: test' > p/DEBIAN/control
printf '#!/bin/sh\nset -e\necho "postinst $1"\nldconfig\n' > p/DEBIAN/postinst
chmod 755 p/DEBIAN/postinst
seq 1000 > p/usr/share/lode-test/numbers
dpkg-deb --root-owner-group --build p p.deb
dpkg --unpack p.deb | count
dpkg-query --show --showformat '${Package} ${Status}\n' lode-test
dpkg --configure -a
dpkg-query --show --showformat '${Package} ${Status}\n' lode-test
dpkg --verify lode-test
dpkg --install p.deb | count
dpkg --listfiles lode-test
dpkg --purge lode-test | count
dpkg --audit
dpkg --configure -a
echo configured
