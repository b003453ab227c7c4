# The package of libc is installed again, over what stands there: with lode its diversion keeps lode in place, and everything goes on.
set -e
exec 2>&1
package=$(echo /var/cache/apt/archives/libc6_*_amd64.deb)
test -e "$package" || { echo "no package of libc in the tree"; exit 1; }
md5sum < /lib64/ld-linux-x86-64.so.2 > before
dpkg --install "$package" | sed 's/[0-9]* files and/N files and/' | grep -v diversion
md5sum < /lib64/ld-linux-x86-64.so.2 | cmp - before
echo same
dpkg --configure -a
apt-get check
ldconfig
getent passwd root
