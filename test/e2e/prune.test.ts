import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('prune, df and events', () => {
  let daemon: TestDaemon;
  let began: string;
  before(async () => {
    daemon = await TestDaemon.create();
    began = await daemon.now();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const ok = (text: string) => daemon.ok(...text.split(' '));
  const lines = async (text: string) =>
    (await ok(text))
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  const names = () => lines('ps -a --format {{.Names}}');

  test('container prune: stopped ones alone, by age, by label', async () => {
    await ok('run -d --name runs busybox sleep 600');
    await ok('run --name wrote --label keep busybox sh -c true');
    await daemon.ok('run', '--name', 'big', '--label', 'a=1', 'busybox', 'sh', '-c', 'head -c 5000 /dev/zero > /x');
    assert.match(await ok('container prune -f --filter until=1h'), /^Total reclaimed space: 0B$/);
    assert.match(await ok('container prune -f --filter label=a=1'), /^Deleted Containers:\n\w{64}\n\nTotal .*: 5kB$/);
    assert.match(await ok('container prune -f --filter label!=keep'), /^Total reclaimed space: 0B$/);
    assert.deepEqual(await names(), ['runs', 'wrote']);
    assert.match(await ok('container prune -f --filter until=2100-01-01T00:00:00Z'), /^Deleted Containers:/);
    assert.deepEqual(await names(), ['runs']);
    const refused = await daemon.docker(['container', 'prune', '-f', '--filter', 'colour=red']);
    assert.match(refused.stderr, /invalid filter 'colour'/);
  });

  test('network prune: what no running container is on', async () => {
    await ok('network create --label keep one');
    await ok('network create two');
    assert.match(await ok('network prune -f --filter until=10m'), /^$/);
    assert.match(await ok('network prune -f --filter label!=keep'), /^Deleted Networks:\ntwo\n*$/);
    assert.match(await ok('network prune -f'), /^Deleted Networks:\none\n*$/);
  });

  test('image prune: those without a name; with -a, those without a container', async () => {
    const image = (name: string) => `run --name maker busybox touch /${name}`;
    for (const name of ['old', 'new']) {
      await ok(image(name));
      await daemon.host.exec(['sh', '-c', 'docker export maker | docker import - app'], { env: daemon.env() });
      await ok('rm maker');
    }
    await daemon.host.exec(['sh', '-c', 'docker save app | docker load; docker tag app spare'], { env: daemon.env() });
    assert.equal((await lines('images -q --filter dangling=true')).length, 1);
    assert.match(await ok('image prune -f --filter until=1h'), /^Total reclaimed space: 0B$/);
    assert.match(
      await ok('image prune -f'),
      /^Deleted Images:\n(untagged.*\n)*deleted: sha256:\w{64}\n[\s\S]*Total reclaimed/,
    );
    assert.deepEqual(await lines('images --format {{.Repository}}'), ['app', 'busybox', 'spare']);
    assert.match(await ok('image prune -af --filter label=nosuch'), /^Total reclaimed space: 0B$/);
    assert.match(await ok('image prune -af'), /untagged: app:latest\n[\s\S]*untagged: spare:latest/);
    assert.deepEqual(await lines('images --format {{.Repository}}'), ['busybox'], 'a container was made from it');
  });

  test('system df: what there is, what is in use, what could go', async () => {
    await daemon.ok(
      'run',
      '--name',
      'stopped',
      '-v',
      'used:/u',
      'busybox',
      'sh',
      '-c',
      'head -c 2000 /dev/zero > /u/f; head -c 300 /dev/zero > /f',
    );
    await ok('volume create spare');
    const rows = await lines('system df --format {{.Type}}:{{.TotalCount}}:{{.Active}}:{{.Size}}:{{.Reclaimable}}');
    assert.match(rows[2] ?? '', /^Images:1:1:[\d.]+MB:0B \(0%\)$/);
    assert.equal(rows[1], 'Containers:2:1:300B:300B (100%)');
    assert.equal(rows[3], 'Local Volumes:2:1:2kB:0B (0%)');
    assert.equal(rows[0], 'Build Cache:0:0:0B:0B');
    const verbose = await ok('system df -v');
    assert.match(verbose, /^used +1 +2kB$/m);
    assert.match(verbose, /^spare +0 +0B$/m);
    assert.match(verbose, /^busybox +latest +\w+ .*0B +[\d.]+MB +2$/m);
    const some = JSON.parse((await daemon.api('GET', '/system/df?type=volume')).body);
    assert.deepEqual([some.Images, some.Containers, some.BuildCache, some.Volumes.length], [null, null, null, 2]);
    const { Volumes } = some as { Volumes: { Name: string; UsageData: object }[] };
    assert.deepEqual(Volumes.find(({ Name }) => Name === 'used')?.UsageData, { RefCount: 1, Size: 2000 });
    assert.equal((await daemon.api('GET', '/system/df?type=colour')).status, 400);
    // Two images with a layer in common: it is shared, and counted once.
    await ok('commit stopped grown');
    const { LayersSize, Images } = JSON.parse((await daemon.api('GET', '/system/df?type=image')).body) as {
      LayersSize: number;
      Images: { RepoTags: string[]; Size: number; SharedSize: number }[];
    };
    const grown = Images.find(({ RepoTags }) => RepoTags.includes('grown:latest'));
    const base = Images.find(({ RepoTags }) => RepoTags.includes('busybox:latest'));
    assert.equal(base?.SharedSize, base?.Size);
    assert.equal(grown?.SharedSize, base?.Size);
    assert.equal(LayersSize, grown?.Size);
  });

  test('system prune, with everything', async () => {
    await ok('network create unused');
    await ok('volume create');
    const pruned = await ok('system prune -f');
    assert.match(pruned, /Deleted Containers:\n\w{64}\n\nDeleted Networks:\nunused\n/);
    assert.doesNotMatch(pruned, /Volumes|untagged/);
    const all = await ok('system prune -af --volumes');
    assert.match(all, /Deleted Volumes:\n\w{64}\n[\s\S]*untagged: grown:latest/);
    assert.deepEqual(await lines('volume ls -q'), ['spare', 'used']);
    assert.deepEqual(await names(), ['runs']);
  });

  test('events: every filter, every form of a moment', async () => {
    await ok('run --name told --label colour=red busybox true');
    const ended = await daemon.now();
    const told = (...filters: string[]) => {
      const args = filters.flatMap((filter) => ['--filter', filter]);
      const format = ['--format', '{{.Type}} {{.Action}}'];
      return daemon
        .ok('events', '--since', began, '--until', ended, ...args, ...format)
        .then((text) => text.split('\n'));
    };
    const actions = async (...filters: string[]) => [...new Set(await told(...filters))].sort();
    assert.deepEqual(await actions('container=told', 'event=create', 'event=start'), [
      'container create',
      'container start',
    ]);
    assert.deepEqual(await actions('container=tol', 'event=die'), ['container die'], 'the beginning of a name');
    assert.deepEqual(await actions('label=colour=red', 'event=die'), ['container die']);
    assert.deepEqual(await actions('label=colour=blue'), ['']);
    assert.deepEqual(await actions('network=bridge', 'event=connect'), ['network connect']);
    assert.deepEqual(await actions('network=two'), ['network create', 'network destroy']);
    assert.deepEqual(await actions('volume=used'), ['volume create', 'volume mount', 'volume unmount']);
    assert.deepEqual(await actions('image=spare'), ['image tag', 'image untag']);
    assert.deepEqual(await actions('image=busybox', 'event=create'), ['container create']);
    assert.deepEqual(await actions('type=image', 'event=prune'), ['image prune']);
    assert.deepEqual(await actions('event=prune'), [
      'builder prune',
      'container prune',
      'image prune',
      'network prune',
      'volume prune',
    ]);
    assert.deepEqual(await actions('scope=swarm'), ['']);
    assert.deepEqual(await actions('daemon=nosuch'), ['']);
    const format = '{{.Type}} {{.Action}} {{.Actor.Attributes.reclaimed}}';
    const prunes = ['events', '--since', began, '--until', ended, '--filter', 'event=prune', '--format', format];
    assert.match(await daemon.ok(...prunes), /^container prune 5000$/m);
    // The CLI sends "0s" in whole seconds.
    const second = async () => Number(await daemon.host.out(['date', '+%s']));
    await eventually('the second is over', async () => (await second()) > Number.parseInt(ended, 10));
    for (const [since, until] of [
      ['1h', '0s'],
      ['2020-01-01T00:00:00Z', '0s'],
      ['2020-01-01T00:00:00.5+02:00', '0s'],
      ['1577836800', '0s'],
      ['1577836800.25', ended],
      ['2020-01-01', '0s'],
    ] as const) {
      const args = [
        'events',
        '--since',
        since,
        '--until',
        until,
        '--filter',
        'container=told',
        '--format',
        '{{.Action}}',
      ];
      assert.match(await daemon.ok(...args), /^create\n[\s\S]*die/m, since);
    }
  });
});
