import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually, TestHost } from '../host.ts';

const ROOT = join(import.meta.dirname, '../..');
const FAIRWAYD = join(ROOT, 'bin/fairwayd');
const FAIRWAY = join(ROOT, 'bin/fairway');
const PLACES = ['--data-root', '/run/data', '--exec-root', '/run/fairway', '--config-file', '/dev/null'];
const SOCKET = '/run/fairway/fairway.sock';

describe('the daemon as a service of the host', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.create();
  });
  after(() => host[Symbol.asyncDispose]());

  const answers = async () =>
    (await host.exec(['curl', '-sf', '--unix-socket', SOCKET, 'http://d/_ping'])).stdout === 'OK';
  /** Of the daemon that runs, and that it has ended. */
  const end = async () => {
    const pid = await host.shell('cat /run/fairway/fairwayd.pid');
    await host.shell(`kill ${pid}`);
    await eventually(
      'the daemon has ended',
      async () => (await host.exec(['test', '-e', `/proc/${pid}`])).code !== 0,
      30_000,
    );
  };

  test('the units are what systemd understands', async () => {
    for (const name of ['fairway.service', 'fairway.socket']) {
      const text = readFileSync(join(ROOT, 'packaging', name), 'utf8').replaceAll('/usr/bin/fairwayd', FAIRWAYD);
      await host.out(['sh', '-c', `mkdir -p /run/units; cat > /run/units/${name}`], { input: text });
    }
    const { code, stdout, stderr } = await host.exec([
      'systemd-analyze',
      'verify',
      '--man=no',
      '/run/units/fairway.service',
      '/run/units/fairway.socket',
    ]);
    const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('fairway'));
    assert.deepEqual(ours, []);
    assert.equal(code, 0, stderr);
  });

  test('it tells systemd when it is ready, that it is alive, and that it stops', async () => {
    const told = async () => (await host.exec(['cat', '/run/told'])).stdout;
    host.spawn(['socat', '-u', 'UNIX-RECV:/run/notify.sock', 'OPEN:/run/told,creat,append']);
    await eventually('socat listens', async () => (await host.exec(['test', '-S', '/run/notify.sock'])).code === 0);
    host.spawn([FAIRWAYD, ...PLACES], { NOTIFY_SOCKET: '/run/notify.sock', WATCHDOG_USEC: '200000' });
    await eventually('it is ready', async () => (await told()).includes('READY=1'), 60_000);
    assert.ok(await answers());
    await eventually('it is alive', async () => (await told()).includes('WATCHDOG=1'));
    // What is meant for the daemon is not for its children.
    const environments = 'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -c ^NOTIFY_SOCKET=; true';
    await eventually('only the daemon has it', async () => (await host.shell(environments)) === '1');
    await end();
    await eventually('it has said that it stops', async () => /STOPPING=1/.test(await told()));
  });

  test('systemd opens the socket, the first client starts the daemon', async () => {
    host.spawn(['systemd-socket-activate', '-l', SOCKET, FAIRWAYD, '-H', 'fd://', ...PLACES]);
    await eventually('somebody listens', async () => (await host.out(['ss', '-Hlx'])).includes(SOCKET));
    const version = await host.exec(['docker', 'version', '--format', '{{.Server.Platform.Name}}'], {
      env: { DOCKER_HOST: `unix://${SOCKET}`, DOCKER_CONFIG: '/run/docker-config' },
    });
    assert.equal(version.stdout, 'Fairway\n', version.stderr);
    await end();
    assert.equal((await host.exec(['test', '-S', SOCKET])).code, 0, 'the socket is not the daemon’s to remove');
    await host.shell(`rm ${SOCKET}`);
  });

  test('without a socket fd:// is refused, and so is a TCP socket', async () => {
    const alone = await host.exec([FAIRWAYD, '-H', 'fd://', ...PLACES]);
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /no sockets found via socket activation/);
    const child = host.spawn(['systemd-socket-activate', '-l', '127.0.0.1:2375', FAIRWAYD, '-H', 'fd://', ...PLACES]);
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await eventually(
      'a client is refused',
      async () => {
        await host.exec(['curl', '-s', '-m', '1', 'http://127.0.0.1:2375/_ping']);
        return said.includes('only unix sockets can be handed over');
      },
      60_000,
    );
    child.kill();
  });

  test('on a journal its lines carry a priority and no time of their own', async () => {
    await host.shell('touch /run/journal');
    const [device = '', inode = ''] = (await host.shell('stat -c "%d %i" /run/journal')).split(' ');
    const run = `JOURNAL_STREAM=${device}:${inode} ${FAIRWAYD} ${PLACES.join(' ')} 2>/run/journal`;
    host.spawn(['sh', '-c', run]);
    await eventually('it answers', answers, 60_000);
    await end();
    const lines = (await host.shell('cat /run/journal')).split('\n');
    assert.ok(
      lines.some((line) => /^<6>\{"level":30,"version":.*"msg":"daemon is ready"\}$/.test(line)),
      lines.join(' '),
    );
    assert.ok(lines.every((line) => !line.includes('"time"')));
  });

  test('completion, by the shells themselves', async () => {
    const bash =
      'source <("$0" completion bash); COMP_WORDS=(fairway "$@"); COMP_CWORD=$#; _fairway; echo "$COMPREPLY"';
    const complete = (...words: string[]) => host.out(['bash', '-c', bash, FAIRWAY, ...words]);
    assert.equal(await complete('st'), 'status');
    assert.equal(await complete('plan', '--j'), '--json');
    assert.equal(await complete('completion', 'f'), 'fish');
    const fish = await host.out(['fish', '-c', `${FAIRWAY} completion fish | source; complete -C "fairway st"`], {
      env: { HOME: '/run' },
    });
    assert.match(fish, /^status\tdaemon, networks/);
    const zsh =
      'autoload -U compinit; compinit -D -u; source <("$0" completion zsh); whence -w _fairway; echo $_comps[fairway]';
    assert.equal(
      await host.out(['zsh', '-f', '-c', zsh, FAIRWAY], { env: { HOME: '/run' } }),
      '_fairway: function\n_fairway',
    );
  });
});

describe('a daemon with figures and a docker context', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--metrics-addr', '127.0.0.1:9323']);
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** By name and labels: `engine_daemon_events_total`, `x{a="b"}`. Every line must be one of Prometheus' text format. */
  const figures = async (): Promise<Map<string, number>> => {
    const text = await daemon.host.out(['curl', '-sf', 'http://127.0.0.1:9323/metrics']);
    const found = new Map<string, number>();
    const typed = new Set<string>();
    for (const line of text.split('\n').filter((line) => line !== '')) {
      const type = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line);
      if (type?.[1] !== undefined) typed.add(type[1]);
      if (line.startsWith('#')) {
        assert.match(line, /^# (HELP|TYPE) [a-zA-Z_:][\w:]* \S/);
        continue;
      }
      const sample = /^(([a-zA-Z_:][\w:]*)(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})?) (\S+)$/.exec(line);
      assert.ok(sample, line);
      const [, series = '', name = '', value] = sample;
      assert.ok(typed.has(name) || typed.has(name.replace(/_(bucket|sum|count)$/, '')), `${name} has a type`);
      assert.ok(!found.has(series), `${series} is there once`);
      found.set(series, Number(value));
    }
    return found;
  };

  test('figures count what happened', async () => {
    await daemon.ok('network', 'create', 'app');
    await daemon.ok('run', '-d', '--name', 'web', '--network', 'app', 'busybox', 'sleep', '600');
    await daemon.docker(['exec', 'web', 'nslookup', 'web.']);
    await daemon.docker(['inspect', 'nobody']);
    const before = await figures();
    const at = (series: string) => before.get(series) ?? 0;
    assert.equal(at('fairway_container_starts_total'), 1);
    assert.equal(at('engine_daemon_container_states_containers{state="running"}'), 1);
    assert.equal(at('engine_daemon_container_actions_seconds_count{action="start"}'), 1);
    assert.equal(at('fairway_api_requests_total{route="POST /containers/create",code="201"}'), 1);
    assert.ok(at('fairway_api_requests_total{route="GET /containers/{*}/json",code="404"}') >= 1);
    assert.ok(at('fairway_dns_questions_total{result="answered"}') >= 1);
    assert.ok([...before.keys()].some((series) => series.startsWith('fairway_reconcile_seconds_count')));
    assert.equal(before.get('fairway_firewall_dropped_packets_total{reason="unpublished"}'), 0);
    assert.ok(at('engine_daemon_engine_cpus_cpus') >= 1);
    await daemon.host.shell('ip addr flush dev docker0');
    await eventually(
      'the repair is counted',
      async () => ((await figures()).get('fairway_repairs_total{kind="address"}') ?? 0) > 0,
    );
    const other = await daemon.host.exec([
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://127.0.0.1:9323/',
    ]);
    assert.equal(other.stdout, '404');
    await daemon.ok('rm', '-f', 'web');
    await daemon.ok('network', 'rm', 'app');
  });

  test('the docker context leads to the daemon, and goes without a trace', async () => {
    const env = { HOME: '/run/home', DOCKER_HOST: '', DOCKER_CONFIG: '' };
    const docker = (...args: string[]) => daemon.host.out(['docker', ...args], { env });
    await daemon.host.shell('mkdir -p /run/home');
    assert.match(await daemon.host.out([FAIRWAYD, '--install-context'], { env }), /"fairway" installed/);
    assert.match(await daemon.host.out([FAIRWAYD, '--install-context'], { env }), /"fairway" is there/);
    assert.equal(await docker('--context', 'fairway', 'version', '--format', '{{.Server.Platform.Name}}'), 'Fairway');
    assert.match(
      await docker('context', 'ls'),
      /^fairway +Fairway on this machine +unix:\/\/\/run\/fairway\/fairway.sock/m,
    );
    await docker('context', 'use', 'fairway');
    assert.match(await docker('info'), /Server Version/);
    assert.match(await daemon.host.out([FAIRWAYD, '--remove-context'], { env }), /removed/);
    assert.equal(await docker('context', 'show'), 'default');
    assert.doesNotMatch(await docker('context', 'ls'), /fairway/);
    assert.match(await daemon.host.out([FAIRWAYD, '--remove-context'], { env }), /there is no docker context/);
  });
});
