# shellcheck shell=bash
#
# PostgreSQL, 15 or newer. Sourced by deploy/local; process.sh describes the functions.

readonly DATABASE=vitrine DATABASE_USER=app
PG_BIN=''

# Finds the newest version, or the version of the existing data: a data folder can be
# opened only by the major version that created it.
postgres_find() {
	local dir version best='' made
	made=$(postgres_data_version)
	PG_BIN=''
	while read -r dir; do
		[[ -x $dir/initdb && -x $dir/postgres && -x $dir/psql ]] || continue
		version=$("$dir/postgres" --version | awk '{ print $3 }')
		at_least "$version" 15 || continue
		[[ -z $made || ${version%%.*} == "$made" ]] || continue
		[[ -z $best ]] || at_least "$version" "$best" || continue
		PG_BIN=$dir
		best=$version
	done < <(
		printf '%s\n' /usr/lib/postgresql/*/bin
		dirname "$(readlink -f "$(command -v postgres || echo /)")"
	)
	[[ -n $PG_BIN ]]
}

postgres_version() { "$PG_BIN/postgres" --version | awk '{ print $3 }'; }

postgres_data_version() { cat "$(postgres_dir)/data/PG_VERSION" 2>/dev/null || true; }

# Runs a command as the user postgres if we are root: PostgreSQL refuses to run as root.
as_postgres() {
	if ((EUID)); then
		"$@"
	else
		setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
	fi
}

# The data is in .local/, or in /var/tmp if the user postgres cannot enter .local/ (a
# checkout under /root); .local/ then has a link to it. A copy of the checkout contains
# the link too but must not use the same data, so the path of .local/ determines the name.
postgres_dir() {
	if [[ -L $STATE/postgres ]]; then
		printf '%s' "$PG_ELSEWHERE"
	else
		printf '%s' "$STATE/postgres"
	fi
}

PG_ELSEWHERE=/var/tmp/vitrine-postgres-$(printf '%s' "$STATE" | sha256sum | cut -c1-16)
readonly PG_ELSEWHERE

postgres_make_dir() {
	local dir owner
	if ((EUID == 0)) && [[ ! -e $STATE/postgres && ! -L $STATE/postgres ]] && ! as_postgres test -x "$STATE"; then
		say "postgres: the user postgres cannot enter $STATE; storing its data in $PG_ELSEWHERE"
		ln -s "$PG_ELSEWHERE" "$STATE/postgres"
	fi
	dir=$(postgres_dir)
	[[ ! -L $STATE/postgres ]] || ln -sfn "$dir" "$STATE/postgres"
	mkdir -p "$dir"
	if ((EUID == 0)); then
		# Any user can create a folder or a link with this name in /var/tmp.
		owner=$(stat -c %U "$dir")
		[[ ! -L $dir && ($owner == root || $owner == postgres) ]] ||
			fail "$dir belongs to $owner; remove it, then run deploy/local up again"
		chown postgres: "$dir"
	fi
	chmod 700 "$dir"
}

postgres_prepare() {
	local dir
	((EUID)) || id postgres >/dev/null 2>&1 ||
		fail "PostgreSQL refuses to run as root, and there is no user postgres to run it; run: useradd --system postgres"
	postgres_make_dir
	dir=$(postgres_dir)
	write_secret "$STATE/pgpass" <<<"127.0.0.1:*:*:$DATABASE_USER:$POSTGRES_PASSWORD"
	[[ -d $dir/data ]] || postgres_init "$dir"
	# After stop_service no process is left, so a pid file is stale. If another process has
	# its number now, the server would refuse to start.
	rm -f "$dir/data/postmaster.pid"
	# Old files in /var/tmp may be cleaned up, so every start renews their times.
	[[ ! -L $STATE/postgres ]] || find "$dir" -exec touch -a {} +
}

# Creates the data folder under another name and renames it, so that an interrupted initdb
# leaves no incomplete data folder.
postgres_init() {
	local dir=$1
	say "postgres: creating the data folder"
	rm -rf "$dir/data.new"
	write_secret "$dir/password" <<<"$POSTGRES_PASSWORD"
	((EUID)) || chown postgres: "$dir/password"
	(
		clean_environment
		cd /
		as_postgres "$PG_BIN/initdb" -D "$dir/data.new" -U "$DATABASE_USER" --pwfile="$dir/password" \
			-A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-instructions >>"$LOGS/postgres.log" 2>&1 </dev/null
	) || fail "initdb failed; see the end of $(short "$LOGS/postgres.log")"
	rm -f "$dir/password"
	mv "$dir/data.new" "$dir/data"
}

postgres_launch() {
	local dir switch=()
	dir=$(postgres_dir)
	((EUID)) || switch=(setpriv --reuid=postgres --regid=postgres --init-groups --)
	(
		clean_environment
		# No Unix socket: its path could exceed the limit of 107 bytes.
		spawn postgres "$dir" "${switch[@]}" "$PG_BIN/postgres" -D "$dir/data" \
			-c port="${PORT[postgres]}" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
			-c max_connections=300 -c shared_buffers=256MB -c cluster_name=vitrine \
			-c timezone=UTC -c log_timezone=UTC
	)
}

postgres_sql() {
	(
		clean_environment
		export PGPASSFILE=$STATE/pgpass PGCONNECT_TIMEOUT=3
		timeout 5 "$PG_BIN/psql" -XqAt -h 127.0.0.1 -p "${PORT[postgres]}" -U "$DATABASE_USER" -d postgres \
			-c "$1" 2>/dev/null </dev/null
	)
}

postgres_answers() { [[ $(postgres_sql 'SELECT 1' || true) == 1 ]]; }

postgres_finish() {
	[[ $(postgres_sql "SELECT 1 FROM pg_database WHERE datname = '$DATABASE'" || true) == 1 ]] ||
		postgres_sql "CREATE DATABASE $DATABASE" ||
		fail "cannot create the database $DATABASE; see the end of $(short "$LOGS/postgres.log")"
}

postgres_env() {
	cat <<-END
		DB_HOST=127.0.0.1
		DB_PORT=${PORT[postgres]}
		DB_USER=$DATABASE_USER
		DB_PASS=$POSTGRES_PASSWORD
		DB_NAME=$DATABASE
		DB_SSLMODE=disable
	END
}
