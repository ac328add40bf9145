import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, TestHost } from '../host.ts';

const FAIRWAYD = join(import.meta.dirname, '../../bin/fairwayd');
const SOCKET = '/run/x/docker.sock';

/** As people write it for Docker: start in the background, wait, use, stop by the pid file. */
const START = `set -e
/run/bin/dockerd --host unix://${SOCKET} -H unix:///run/x/second.sock --data-root /run/x/data --exec-root /run/x/exec \\
  --pidfile /run/x/docker.pid --config-file /run/x/daemon.json --storage-driver overlay2 --debug \\
  --exec-opt native.cgroupdriver=cgroupfs --insecure-registry registry.test:5000 --userland-proxy=false \\
  --containerd-namespace theirs 2>/run/x/log &
for i in $(seq 100); do docker -H unix://${SOCKET} version >/dev/null 2>&1 && exit 0; sleep 0.3; done
exit 1`;

describe('installed under the name dockerd', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.create();
    await host.shell(`mkdir -p /run/bin /run/x && ln -s ${FAIRWAYD} /run/bin/dockerd`);
  });
  after(() => host[Symbol.asyncDispose]());

  const dockerd = (...args: string[]) => host.exec(['/run/bin/dockerd', ...args]);
  const write = (config: unknown) =>
    host.exec(['sh', '-c', 'cat > /run/x/daemon.json'], { input: JSON.stringify(config) });
  const docker = (...args: string[]) =>
    host.out(['docker', '-H', `unix://${SOCKET}`, ...args], { env: { DOCKER_CONFIG: '/run/docker-config' } });
  const log = () => host.shell('cat /run/x/log');
  const hangup = () => host.shell('kill -HUP $(cat /run/x/docker.pid)');

  test('a start line written for Docker serves, and tells once of each flag without a meaning', async () => {
    await write({ labels: ['rack=7'], 'max-concurrent-downloads': 4, features: { 'containerd-snapshotter': false } });
    const starting: ChildProcess = host.spawn(['sh', '-c', START]);
    await new Promise((resolve) => starting.once('exit', resolve));
    assert.equal(starting.exitCode, 0, await log());
    assert.equal(await docker('info', '-f', '{{.Labels}} {{.Debug}} {{.DockerRootDir}}'), '[rack=7] true /run/x/data');
    assert.match(await docker('info', '-f', '{{json .RegistryConfig.IndexConfigs}}'), /"registry\.test:5000"/);
    assert.equal(
      await host.out(['docker', '-H', 'unix:///run/x/second.sock', 'version', '-f', '{{.Server.Platform.Name}}']),
      'Fairway',
    );
    const warnings = (await log()).split('\n').filter((line) => line.includes('has no effect'));
    const names = warnings.map((line) => /"msg":"(--[a-z-]+)/.exec(line)?.[1]);
    assert.deepEqual(names.sort(), ['--exec-opt', '--feature', '--storage-driver']);
    assert.equal(
      (await host.exec(['test', '-e', '/var/run/docker.sock'])).code,
      (await host.exec(['test', '-e', '/run/docker.sock'])).code,
    );
  });

  test('what containerd keeps is in the namespace that was named', async () => {
    await host.shell('mkdir /run/x/empty; tar -C /run/x/empty -c . > /run/x/image.tar');
    await docker('import', '/run/x/image.tar', 'bare');
    const ctr = ['ctr', '--address', '/run/x/exec/containerd/containerd.sock'];
    assert.equal(await host.out([...ctr, 'namespaces', 'list', '-q']), 'theirs');
    assert.match(await host.out([...ctr, '-n', 'theirs', 'images', 'list', '-q']), /bare:latest/);
    const wrong = await dockerd('--containerd-namespace', 'a/b', '--validate');
    assert.deepEqual([wrong.code, wrong.stderr], [1, 'dockerd: invalid containerd namespace "a/b"\n']);
  });

  test('a second daemon in the same network namespace is refused, wherever its data are', async () => {
    const apart = ['--data-root', '/run/y/data', '--exec-root', '/run/y/exec', '--pidfile', '/run/y/docker.pid'];
    const second = await dockerd(...apart, '-H', 'unix:///run/y/docker.sock');
    const first = await host.shell('cat /run/x/docker.pid');
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`dockerd: another fairwayd \\(PID ${first}\\) looks after the networks`));
    assert.equal(await docker('info', '-f', '{{.DockerRootDir}}'), '/run/x/data');
    assert.notEqual((await host.exec(['test', '-e', '/run/y/docker.pid'])).code, 0);
    assert.notEqual((await host.exec(['test', '-e', '/run/y/data'])).code, 0);
  });

  test('SIGHUP reads daemon.json again: what can be changed changes, and an event tells of it', async () => {
    await write({ labels: ['rack=8', 'row=2'], 'max-concurrent-downloads': 5, 'live-restore': false, mtu: 1400 });
    await hangup();
    await eventually(
      'the labels are new',
      async () => (await docker('info', '-f', '{{.Labels}}')) === '[rack=8 row=2]',
    );
    assert.equal(await docker('info', '-f', '{{.LiveRestoreEnabled}}'), 'false');
    assert.equal(
      await docker('network', 'inspect', '-f', '{{index .Options "com.docker.network.driver.mtu"}}', 'bridge'),
      '1500',
      'no networking option is reloadable',
    );
    await write({ labels: ['rack=9'], frob: true });
    await hangup();
    await eventually('the mistake is told', async () => (await log()).includes('the configuration stays as it was'));
    assert.match(await log(), /the following directives don't match any configuration option: frob/);
    assert.equal(await docker('info', '-f', '{{.Labels}}'), '[rack=8 row=2]');
    const past = await docker(
      'events',
      '--filter',
      'event=reload',
      '--since',
      '0',
      '--until',
      (Date.now() / 1000).toFixed(3), // the CLI cuts a duration to whole seconds, and the event may be of this one
      '--format',
      '{{json .}}',
    );
    const told = past
      .split('\n')
      .map((line) => JSON.parse(line) as { Type: string; Actor: { Attributes: Record<string, string> } });
    assert.equal(told.length, 1, 'a configuration that is wrong is no reload');
    assert.equal(told[0]?.Type, 'daemon');
    const { Attributes } = told[0]?.Actor ?? { Attributes: {} };
    assert.equal(Attributes['labels'], '["rack=8","row=2"]');
    assert.equal(Attributes['max-concurrent-downloads'], '5');
    assert.equal(Attributes['live-restore'], 'false');
  });

  test('it ends by its pid file, and the sockets go with it', async () => {
    await host.shell('kill $(cat /run/x/docker.pid)');
    await eventually(
      'the pid file is gone',
      async () => (await host.exec(['test', '-e', '/run/x/docker.pid'])).code !== 0,
      30_000,
    );
    assert.notEqual((await host.exec(['test', '-S', SOCKET])).code, 0);
  });

  test('--validate says whether a configuration would do', async () => {
    await write({ mtu: 1400, 'storage-driver': 'overlay2' });
    const good = await dockerd('--validate', '--config-file', '/run/x/daemon.json');
    assert.deepEqual([good.code, good.stdout], [0, '']);
    assert.match(good.stderr, /^--storage-driver has no effect: .*\nconfiguration OK\n$/);
    await write({ 'default-address-pools': [{ base: '10.0.0.0/24', size: 16 }] });
    const bad = await dockerd('--validate', '--config-file=/run/x/daemon.json');
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /^dockerd: invalid default address pool "base=10\.0\.0\.0\/24,size=16"/);
  });

  test('mistakes end the start, in dockerd’s words', async () => {
    const unknown = await dockerd('--frobnicate');
    assert.deepEqual([unknown.code, unknown.stderr], [1, "unknown flag: --frobnicate\nSee 'dockerd --help'.\n"]);
    await write({ mtu: 1400 });
    const twice = await dockerd('--config-file', '/run/x/daemon.json', '--mtu', '1450');
    assert.equal(twice.code, 1);
    assert.match(
      twice.stderr,
      /the following directives are specified both as a flag and in the configuration file: mtu: \(from flag: 1450, from file: 1400\)/,
    );
    const both = await dockerd('--config-file', '/dev/null', '-b', 'br0', '--bip', '10.0.0.1/24');
    assert.match(both.stderr, /You specified -b & --bip, mutually exclusive options\. Please specify only one/);
    const places = [
      '--config-file',
      '/dev/null',
      '--data-root',
      '/run/y',
      '--exec-root',
      '/run/y/exec',
      '-H',
      'unix:///run/y/s',
    ];
    const missing = await dockerd(...places, '-b', 'br-none');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /bridge device with non default name br-none must be created manually/);
  });
});
