import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, TestHost } from '../host.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Whatever Fairway touches of a host, but for processes. */
const STATE = `ip -o link | sed 's/^[0-9]*: //'; ip -4 -o addr; ip route; nft list ruleset; sysctl net.ipv4.ip_forward
  ss -Hltunx | awk '{print $1, $5}' | sort; ls -A /run /run/fairway/netns /var/lib 2>&1; grep -E ' /(run/fairway|var/lib)' /proc/mounts
  find /sys/fs/cgroup -mindepth 1 -type d | sort`;

/** Processes are listed by a program alone: a shell's own children would be seen among them. */
async function stateOf(host: TestHost): Promise<string> {
  const processes = (await host.out(['ps', '-eo', 'args', '--no-headers'])).split('\n');
  return [...processes.sort(), await host.shell(STATE)].join('\n');
}

test('npm start: the tour ends with a name and a port that answer, twice, and leaves the host as it was', async () => {
  await using host = await TestHost.create();
  // What the tour keeps on disk must not reach the real machine.
  await host.shell('mount -t tmpfs tmpfs /var/lib; mkdir -p /run/fairway/netns; sysctl -qw net.ipv4.ip_forward=0');
  const before = await stateOf(host);
  const node = join(ROOT, 'node_modules/.bin/node');
  for (let round = 0; round < 2; round++) {
    const tour = await host.exec([node, join(ROOT, 'tools/tour.ts')], {
      env: { DOCKER_CONFIG: '/run/fairway/docker' },
      timeout: 100_000,
    });
    assert.equal(tour.code, 0, tour.stderr + tour.stdout);
    assert.match(tour.stdout, /wget -qO- http:\/\/tour-web\/\n {2}It works/);
    assert.match(tour.stdout, /curl -s http:\/\/127\.0\.0\.1:8080\/\n {2}It works/);
    assert.match(tour.stdout, /docker --context fairway run --rm -it busybox/);
    await host.shell('rm -rf /run/fairway/docker /run/fairway/fairwayd.log');
    // What the daemon has ended may still be on its way out.
    let state = '';
    const left = async () => {
      state = await stateOf(host);
      return state === before;
    };
    await eventually('the host is as it was', left).catch(() => undefined);
    assert.equal(state, before);
  }
});
