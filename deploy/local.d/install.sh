# shellcheck shell=bash
#
# Installs what is missing: the packages with apt-get, MinIO with go. Read by deploy/local.

as_root() {
	if ((EUID)); then
		sudo -n "$@"
	else
		"$@"
	fi
}

find_packaged() { postgres_find && redis_find && rabbitmq_find; }

find_go() { command -v go || { [[ -x /usr/local/go/bin/go ]] && echo /usr/local/go/bin/go; }; }

# On one line, by their names in Debian; too old counts as missing.
missing_packages() {
	{
		postgres_find || echo postgresql
		redis_find || echo redis-server
		rabbitmq_find || echo rabbitmq-server
	} | paste -sd' '
}

# Fails early if the installation cannot succeed.
check_installable() {
	local missing made
	missing=$(missing_packages)
	made=$(postgres_data_version)
	if [[ -n $made && $missing == *postgresql* ]]; then
		fail "the data of postgres was made by version $made, which is not installed; install postgresql-$made, or give up the data: deploy/local wipe postgres"
	fi
	if [[ -n $missing ]]; then
		command -v apt-get >/dev/null ||
			fail "PostgreSQL 15, Redis 7 and RabbitMQ 3.10 or newer are required, and apt-get is missing to install $missing; install them, then run deploy/local up again"
		((EUID == 0)) || sudo -n true 2>/dev/null ||
			fail "installing packages requires root; run: sudo apt-get install -y $missing && deploy/local up"
	fi
	minio_find || find_go >/dev/null ||
		fail "building MinIO requires go in PATH; install Go, or put a minio into PATH, then run deploy/local up again"
}

# with_heartbeat LABEL LOG COMMAND...: runs it in a session of its own, and prints a line
# every 15 s. HEART is that session, for who wants to end it.
HEART=''
with_heartbeat() {
	local label=$1 log=$2 begin=$SECONDS beats=1
	shift 2
	setsid "$@" >>"$log" 2>&1 </dev/null 9>&- &
	HEART=$!
	while kill -0 "$HEART" 2>/dev/null; do
		sleep 0.3
		if ((SECONDS - begin >= 15 * beats)); then
			say "$label, $((SECONDS - begin)) s so far"
			beats=$((beats + 1))
		fi
	done
	wait "$HEART"
}

# ------------------------------------------------------------------- packages --

ensure_packages() {
	local missing
	missing=$(missing_packages)
	if [[ -n $missing ]]; then
		say "packages: installing $missing"
		: >"$LOGS/packages.log"
		# A process of its own, which an interrupt of ours does not reach: a dpkg that is
		# broken off is worse than one that ends a little later.
		with_heartbeat "packages: installing" "$LOGS/packages.log" "$SELF" install-packages ||
			fail "apt-get could not install $missing (see $(short "$LOGS/packages.log")); try: apt-get update && apt-get install -y $missing"
		missing=$(missing_packages)
		[[ -z $missing ]] ||
			fail "apt-get only has versions of $missing that are too old (PostgreSQL 15, Redis 7 and RabbitMQ 3.10 are required); put newer programs into PATH and run deploy/local up again"
		say "packages: installed"
	fi
	find_packaged
}

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='Written by deploy/local of vitrine, process'

# A package of Debian's starts its server for the whole machine as soon as it is
# installed, which nobody asked for; policy-rc.d is the switch against that. Ours says
# no to these packages only, and only while its writer lives: one that a kill -9 left
# behind changes nothing. Somebody else's is left as it is.
block_autostart() {
	[[ ! -e $POLICY ]] || return 0
	as_root tee "$POLICY" >/dev/null <<-END
		#!/bin/sh
		# $POLICY_MARK $$, which removes it.
		case \$1 in
		postgresql* | redis* | rabbitmq* | epmd*) grep -qs install-packages /proc/$$/cmdline && exit 101 ;;
		esac
		exit 0
	END
	as_root chmod 755 "$POLICY"
}

unblock_autostart() {
	if grep -qs "$POLICY_MARK" "$POLICY"; then as_root rm -f "$POLICY"; fi
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 TMPDIR="$APT_TMP" \
		apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" 8>&-
}

# Whether there is a candidate, by lists less than a day old: older ones name versions
# that a mirror may no longer have.
lists_are_good() {
	local package
	[[ -n $(find /var/lib/apt/lists -maxdepth 0 -mtime -1) ]] || return 1
	for package in "$@"; do
		[[ $(apt-cache policy "$package") =~ Candidate:\ [0-9] ]] || return 1
	done
}

# The verb "install-packages", which "up" calls.
install_packages() {
	local missing
	mkdir -p "$CACHE"
	exec 8>>"$CACHE/packages.lock"
	flock -w 600 8 || fail "another checkout has been installing packages for 10 minutes"
	read -ra missing < <(missing_packages) # it may just have done our work
	((${#missing[@]})) || return 0
	# A shared one may be swept away while the packages' scripts use it.
	APT_TMP=$(mktemp -d /tmp/vitrine-apt.XXXXXX)
	chmod 755 "$APT_TMP"
	trap 'unblock_autostart; rm -rf "$APT_TMP"' EXIT
	unblock_autostart # of one that died
	block_autostart
	# One broken source must not stop the others, hence || true.
	lists_are_good "${missing[@]}" || apt_get update || true
	if ! apt_get install -y --no-install-recommends "${missing[@]}"; then
		echo "== once more, after mending what an interrupted run may have left"
		as_root env DEBIAN_FRONTEND=noninteractive TMPDIR="$APT_TMP" dpkg --configure -a 8>&- || true
		apt_get -f install -y || true
		apt_get update || true
		apt_get install -y --no-install-recommends "${missing[@]}"
	fi
}

# ---------------------------------------------------------------------- MinIO --

ensure_minio() {
	local out go
	if minio_find; then return; fi
	exec 7>>"$CACHE/minio.lock"
	wait_for_lock 7 1800 "minio: waiting for a build that is under way" ||
		fail "another build of MinIO has held $CACHE/minio.lock for 30 minutes; find it with: fuser -v $CACHE/minio.lock"
	if minio_find; then return; fi
	go=$(find_go)
	say "minio: building, once per machine (about 3 minutes on two cores)"
	rm -rf "$CACHE"/bin/.minio.*
	out=$(mktemp -d "$CACHE/bin/.minio.XXXXXX")
	: >"$LOGS/minio-build.log"
	trap '[[ -z $HEART ]] || kill -TERM -- "-$HEART" 2>/dev/null; exit 143' TERM HUP
	# The caller's settings are meant for the caller's code: -race, -mod=vendor or a
	# foreign GOOS would break this build, and go.mod must not choose its compiler.
	# Without symbols it links faster. The build inherits the lock: should this script
	# be killed, the next one waits for it and finds its work in Go's cache.
	with_heartbeat "minio: building" "$LOGS/minio-build.log" \
		env -C "$out" -u GOOS -u GOARCH -u GOEXPERIMENT GOFLAGS= GOWORK=off GOTOOLCHAIN=auto CGO_ENABLED=0 \
		GOBIN="$out" GOTMPDIR="$out" \
		"$go" install -v -ldflags='-s -w' "github.com/minio/minio@$MINIO_VERSION" ||
		fail "MinIO could not be built (see the end of $(short "$LOGS/minio-build.log")); run deploy/local up again, or put a minio into PATH first"
	trap - TERM HUP
	mv -f "$out/minio" "$MINIO_BUILT" # complete, or not there at all
	rm -rf "$out"
	exec 7>&-
	minio_find
	say "minio: built"
}
