# apt with a repository in a folder: its methods are programs of their own, and before it unpacks it asks lode about every libc.
set -e
exec 2>&1
apt-get --version | head -1
apt-get check
mkdir -p repository q/DEBIAN q/usr/share/lode-apt
printf '%s\n' 'Package: lode-apt' 'Version: 2' 'Architecture: amd64' 'Maintainer: nobody <nobody@example.invalid>' 'Description: test' > q/DEBIAN/control
echo content > q/usr/share/lode-apt/file
dpkg-deb --root-owner-group --build q repository/lode-apt.deb
{
    cat q/DEBIAN/control
    echo "Filename: ./lode-apt.deb"
    echo "Size: $(stat -c %s repository/lode-apt.deb)"
    echo "SHA256: $(sha256sum < repository/lode-apt.deb | cut -d ' ' -f 1)"
} > repository/Packages
gzip repository/Packages
echo "deb [trusted=yes] copy:$PWD/repository ./" > /etc/apt/sources.list
rm -rf /etc/apt/sources.list.d
apt-get -q update | grep -o 'copy:.* Packages' | sort -u
apt-cache policy lode-apt | head -3
apt-get -qq -y install lode-apt | grep -v Reading
cat /usr/share/lode-apt/file
apt-mark showmanual | grep lode
apt-get -qq -y remove lode-apt | grep -v Reading
apt-get check
