# shellcheck shell=bash
#
# What the four servers share: finding their processes, starting and stopping them.
# Sourced by deploy/local. Each server has a file with these functions:
#
#   NAME_find       sets the path of its programs; false if none is new enough
#   NAME_version    prints the version of the programs
#   NAME_prepare    creates folders and configuration while the server is down
#   NAME_launch     starts the server and returns at once
#   NAME_answers    true if the server on our port accepts our credentials
#   NAME_finish     sets up a running server
#   NAME_env        prints the settings for vitrine

# The time limit of a start in seconds. It allows for a recovery on a slow disk.
readonly -A START_LIMIT=([postgres]=90 [redis]=20 [rabbitmq]=120 [minio]=60)

# service_dir SERVICE: prints the folder of the server's data.
service_dir() {
	if [[ $1 == postgres ]]; then
		postgres_dir
	else
		printf '%s' "$STATE/$1"
	fi
}

# pids_of SERVICE: prints our processes according to the kernel. A pid file could hold the
# number of another process by now. RabbitMQ and its child processes inherit a variable
# that names this checkout. The others overwrite their environment with a title, but run
# in a folder of this checkout; their name is checked too, because a shell may be in the
# folder. The folder may have been deleted.
pids_of() {
	case $1 in
	postgres)
		running_in "$STATE/postgres/data" postgres
		running_in "$PG_ELSEWHERE/data" postgres
		;;
	redis) running_in "$STATE/redis" redis-server ;;
	minio) running_in "$STATE/minio" minio ;;
	rabbitmq) { grep -lzxsF -e "VITRINE_SERVICE=$STATE/rabbitmq" /proc/[0-9]*/environ || true; } | cut -d/ -f3 ;;
	esac
}

# running_in FOLDER NAME: prints the processes in the folder whose name begins with NAME.
running_in() {
	local pid
	{ find /proc/[0-9]*/cwd -maxdepth 0 -printf '%h %l\n' 2>/dev/null || true; } |
		FOLDER=$1 awk '{ proc = $1; sub(/^[^ ]* /, "") }
			$0 == ENVIRON["FOLDER"] || $0 == ENVIRON["FOLDER"] " (deleted)" { print proc }' |
		cut -d/ -f3 | while read -r pid; do
		[[ $(comm_of "$pid") != "$2"* ]] || echo "$pid"
	done
}

comm_of() { cat "/proc/$1/comm" 2>/dev/null || true; }

# main_pid SERVICE: prints the server's main process; nothing if it is down.
main_pid() {
	local service=$1 pid master=''
	if [[ $service == postgres ]]; then
		{ read -r master <"$(postgres_dir)/data/postmaster.pid"; } 2>/dev/null || return 0
	fi
	for pid in $(pids_of "$service"); do
		case $service in
		postgres) [[ $pid == "$master" ]] || continue ;;
		rabbitmq) [[ $(comm_of "$pid") == beam* ]] || continue ;;
		esac
		echo "$pid"
		return
	done
}

gone() { [[ -z $(pids_of "$1") ]]; }
main_gone() { [[ -z $(main_pid "$1") ]]; }

# is_up SERVICE: true if our process runs and accepts our credentials.
is_up() { [[ -n ${PORT[$1]:-} && -n $(main_pid "$1") ]] && "${1}_answers"; }

# wait_until SECONDS COMMAND...: repeats the command until it succeeds. False after the
# time.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# at_least HAVE WANT: compares version numbers.
at_least() { [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Clears the environment of the processes that this subshell starts: PGPORT, RABBITMQ_*,
# MINIO_* and the secrets of a CI must not reach our servers.
clean_environment() {
	local name
	for name in $(compgen -e); do
		export -n "${name?}"
	done
	export PATH LANG=C.UTF-8
}

# spawn SERVICE FOLDER COMMAND...: starts a daemon. It inherits no descriptors, so it keeps
# no terminal, lock or pipe open.
spawn() {
	local service=$1 folder=$2 log=$LOGS/$1.log fd
	shift 2
	if [[ -n $(find "$log" -size +16M 2>/dev/null) ]]; then mv -f "$log" "$log.old"; fi
	(
		export VITRINE_SERVICE=$STATE/$service
		cd "$folder" || exit
		exec </dev/null >>"$log" 2>&1
		for fd in "/proc/$BASHPID/fd"/*; do
			fd=${fd##*/}
			if ((fd > 2 && fd != 255)); then exec {fd}>&-; fi # bash uses 255
		done
		exec setsid "$@"
	) &
}

# start_service SERVICE: starts the server and waits until it answers, or fails.
start_service() {
	local service=$1
	if [[ -n $(main_pid "$service") ]]; then
		# It may still be starting after an interrupted "up".
		if wait_until 10 "${service}_answers"; then
			"${service}_finish"
			return
		fi
		say "$service: running but not responding, restarting it"
	fi
	stop_service "$service" # also processes left behind by a crash
	"${service}_prepare"
	"${service}_launch"
	wait_for_answer "$service"
	"${service}_finish"
	say "$service: up on 127.0.0.1:${PORT[$service]}"
}

wait_for_answer() {
	local service=$1 begin=$SECONDS limit=${START_LIMIT[$1]} hint
	hint="see the end of $(short "$LOGS/$service.log") (deploy/local wipe $service deletes its data)"
	until "${service}_answers"; do
		if ((SECONDS - begin > 2)) && gone "$service"; then
			fail "$service exited right after its start; $hint"
		fi
		((SECONDS - begin <= limit)) ||
			fail "$service did not respond on 127.0.0.1:${PORT[$service]} within $limit s; $hint"
		sleep 0.1
	done
}

# signal NAME PID...: signals the processes and ignores those that have exited. It also
# resumes them, because a process that a test has frozen would not react.
signal() {
	local name=$1
	shift
	kill "-$name" "$@" 2>/dev/null || true
	kill -CONT "$@" 2>/dev/null || true
}

# stop_service SERVICE: shuts the server down, and kills what is left after a while.
stop_service() {
	local service=$1 pid main pids how
	if gone "$service"; then return; fi
	main=$(main_pid "$service")
	if [[ -n $main ]]; then
		case $service in
		postgres) signal INT "$main" ;; # "fast" shutdown: ends the sessions and writes a checkpoint
		*) signal TERM "$main" ;;
		esac
		wait_until 45 main_gone "$service" || say "$service: still running after 45 s, killing it"
	fi
	# epmd keeps running without its node; the node's other child processes end with it.
	for pid in $(pids_of "$service"); do
		[[ $(comm_of "$pid") != epmd ]] || signal TERM "$pid"
	done
	[[ -z $main ]] || wait_until 3 gone "$service" || true
	for how in TERM KILL; do
		mapfile -t pids < <(pids_of "$service")
		((${#pids[@]})) || return 0
		signal "$how" "${pids[@]}"
		wait_until 5 gone "$service" || true
	done
	gone "$service" || fail "$service cannot be stopped, processes remain after kill -9: $(pids_of "$service" | paste -sd' ')"
}

kill_service() {
	local pids
	mapfile -t pids < <(pids_of "$1")
	((${#pids[@]})) || return 0
	signal KILL "${pids[@]}"
	wait_until 10 gone "$1" || fail "$1 survived kill -9: $(pids_of "$1" | paste -sd' ')"
}
