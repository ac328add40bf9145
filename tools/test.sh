#!/bin/sh
# All tests but those of clients: those of src/ in one process, with the checks of the code beside it; those that build machines of
# their own side by side, one more than there are processors: each waits for a seventh of its time. What is compiled once is kept
# for the processes that follow. "clients" as first argument: Compose and the SDKs, which take minutes, alone.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh test
mkdir -p .cache
export NODE_COMPILE_CACHE="$PWD/.cache/compiled"

# Usage: run NAME OPTION... ; a line for each passed test goes to .cache/ran-NAME.jsonl
run() {
  report=".cache/ran-$1.jsonl"
  shift
  node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=./tools/ran.ts --test-reporter-destination="$report" "$@"
}
machine() {
  run "$1" --test-concurrency=$(($(nproc) + 1)) --test-timeout=240000 "$2"
}
if [ "${1:-}" = clients ]; then
  machine clients 'test/clients/*.test.ts'
  exit
fi
npm run check &
checks=$!
run unit --test-isolation=none --test-timeout=60000 'src/**/*.test.ts'
wait $checks
machine machine 'test/{,!(clients)/**/}*.test.ts'
cat .cache/ran-unit.jsonl .cache/ran-machine.jsonl >.cache/ran.jsonl
node --disable-warning=ExperimentalWarning tools/compatibility.ts
