# shellcheck shell=bash
#
# Installs what is missing: packages with apt-get, MinIO with go. Sourced by deploy/local.

as_root() {
	if ((EUID)); then
		sudo -n "$@"
	else
		"$@"
	fi
}

find_packaged() { postgres_find && redis_find && rabbitmq_find; }

find_go() { command -v go || { [[ -x /usr/local/go/bin/go ]] && echo /usr/local/go/bin/go; }; }

# Prints the names of Debian's packages that are missing or too old, on one line.
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
		fail "PostgreSQL's data needs version $made, which is not installed; install postgresql-$made, or delete the data: deploy/local wipe postgres"
	fi
	if [[ -n $missing ]]; then
		command -v apt-get >/dev/null ||
			fail "PostgreSQL 15, Redis 7 and RabbitMQ 3.10 or newer are needed, but $missing is missing and apt-get is not available; install it, then run deploy/local up again"
		((EUID == 0)) || sudo -n true 2>/dev/null ||
			fail "only root can install packages; run: sudo apt-get install -y $missing && deploy/local up"
	fi
	minio_find || find_go >/dev/null ||
		fail "MinIO is missing, and there is no go in PATH to build it; install Go or MinIO, then run deploy/local up again"
}

# with_heartbeat LABEL LOG COMMAND...: runs the command in a new session and prints a line
# every 15 s. HEART is the id of the session, to kill it.
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
		# A separate process, which an interrupt does not reach: an interrupted dpkg leaves
		# packages half installed.
		with_heartbeat "packages: installing" "$LOGS/packages.log" "$SELF" install-packages ||
			fail "apt-get could not install $missing (see $(short "$LOGS/packages.log")); try: apt-get update && apt-get install -y $missing"
		missing=$(missing_packages)
		[[ -z $missing ]] ||
			fail "apt-get has only old versions of $missing (PostgreSQL 15, Redis 7 and RabbitMQ 3.10 are needed); put newer programs into PATH and run deploy/local up again"
		say "packages: installed"
	fi
	find_packaged
}

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='Written by deploy/local of vitrine, process'

# Debian's packages start their server as a service of the machine when they are
# installed, unless policy-rc.d forbids it. Ours forbids it for these packages only, and
# only while its writer runs: left behind after a kill -9 it has no effect. An existing
# policy stays as it is.
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

# lists_are_good PACKAGE...: true if the package lists have all packages and are less than
# a day old. Older lists may name versions that a mirror no longer has.
lists_are_good() {
	local package
	[[ -n $(find /var/lib/apt/lists -maxdepth 0 -mtime -1) ]] || return 1
	for package in "$@"; do
		[[ $(apt-cache policy "$package") =~ Candidate:\ [0-9] ]] || return 1
	done
}

# The command "install-packages", which "up" runs.
install_packages() {
	local missing
	mkdir -p "$CACHE"
	exec 8>>"$CACHE/packages.lock"
	flock -w 600 8 || fail "another checkout has been installing packages for 10 minutes"
	read -ra missing < <(missing_packages) # another one may have installed them
	((${#missing[@]})) || return 0
	# A shared temporary folder may be cleaned up while the packages' scripts use it.
	APT_TMP=$(mktemp -d /tmp/vitrine-apt.XXXXXX)
	chmod 755 "$APT_TMP"
	trap 'unblock_autostart; rm -rf "$APT_TMP"' EXIT
	unblock_autostart # left behind by a killed process
	block_autostart
	# One broken source must not stop the others, hence || true.
	lists_are_good "${missing[@]}" || apt_get update || true
	if ! apt_get install -y --no-install-recommends "${missing[@]}"; then
		echo "== trying again after repairing what an interrupted installation may have left"
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
	wait_for_lock 7 1800 "minio: waiting for another build" ||
		fail "another build of MinIO has held $CACHE/minio.lock for 30 minutes; to see which: fuser -v $CACHE/minio.lock"
	if minio_find; then return; fi
	go=$(find_go)
	say "minio: building, once per machine (about 3 minutes on two cores)"
	rm -rf "$CACHE"/bin/.minio.*
	out=$(mktemp -d "$CACHE/bin/.minio.XXXXXX")
	: >"$LOGS/minio-build.log"
	trap '[[ -z $HEART ]] || kill -TERM -- "-$HEART" 2>/dev/null; exit 143' TERM HUP
	# The caller's Go settings must not apply: -race, -mod=vendor or another GOOS would
	# break this build, and our go.mod must not choose its compiler. Without symbols it
	# links faster. The build inherits the lock: if this script is killed, the next one
	# waits for the build and finds its results in Go's cache.
	with_heartbeat "minio: building" "$LOGS/minio-build.log" \
		env -C "$out" -u GOOS -u GOARCH -u GOEXPERIMENT GOFLAGS= GOWORK=off GOTOOLCHAIN=auto CGO_ENABLED=0 \
		GOBIN="$out" GOTMPDIR="$out" \
		"$go" install -v -ldflags='-s -w' "github.com/minio/minio@$MINIO_VERSION" ||
		fail "MinIO could not be built (see the end of $(short "$LOGS/minio-build.log")); run deploy/local up again, or put a minio into PATH first"
	trap - TERM HUP
	mv -f "$out/minio" "$MINIO_BUILT" # atomic
	rm -rf "$out"
	exec 7>&-
	minio_find
	say "minio: built"
}
