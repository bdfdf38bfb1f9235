#!/bin/sh
# Makes sure that what the tests run is there: command=package.
set -eu

PATH="$PATH:/usr/sbin" # where slapd is
need="openssl=openssl curl=curl sqlite3=sqlite3 php=php-cli /usr/bin/python3=python3 ip=iproute2 slapd=slapd pgbouncer=pgbouncer nginx=nginx caddy=caddy apache2=apache2-bin haproxy=haproxy javac=default-jdk-headless node=nodejs npm=npm chromium=chromium"

missing=""
for pair in $need; do
	command -v "${pair%%=*}" >/dev/null 2>&1 || missing="$missing ${pair#*=}"
done
# Libraries, for Debian's own Python: another one on the path does not see them.
/usr/bin/python3 -c 'import jwt, cryptography' >/dev/null 2>&1 || missing="$missing python3-jwt python3-cryptography"
# For apache2's Lua.
[ -e /usr/share/lua/5.3/socket.lua ] || missing="$missing lua-socket"
# PostgreSQL's programs lie beside the path, a folder for each release.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
# The OpenID provider that the tests sign in at and the judge of pages, of the versions in its lock file, kept
# where os.UserCacheDir of the tests looks.
install_upstream() {
	here="$(dirname "$0")/upstream"
	there="${XDG_CACHE_HOME:-$HOME/.cache}/symbolon-e2e/upstream"
	cmp -s "$here/package-lock.json" "$there/installed" && return
	mkdir -p "$there"
	cp "$here/package.json" "$here/package-lock.json" "$there/"
	(cd "$there" && npm ci --ignore-scripts --no-audit --no-fund)
	cp "$here/package-lock.json" "$there/installed"
}

if [ -z "$missing" ]; then
	install_upstream
	exit 0
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing$missing"
	# No package may start its daemon: the tests start their own.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt-get update -qq
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
	install_upstream
	exit 0
fi
echo "The tests need programs that are missing, from these Debian packages:$missing" >&2
echo "Install them (apt-get install$missing) and try again." >&2
exit 1
