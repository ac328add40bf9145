import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, TestDaemon } from '../daemon.ts';

describe('docker commit', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const config = async (image: string) =>
    JSON.parse(await daemon.ok('image', 'inspect', '-f', '{{json .Config}}', image)) as Record<string, unknown>;

  test('a stopped container becomes an image that holds what it wrote, and not what it removed', async () => {
    const script = [
      'echo words > /tmp/written',
      'ln /tmp/written /tmp/hard; ln -s written /tmp/soft',
      'chown 33:33 /tmp/written; chmod 640 /tmp/written',
      'rm /var/www/index.html; rm -r /home && mkdir /home && touch /home/new',
    ].join('; ');
    await daemon.ok('run', '--name', 'worker', 'busybox', 'sh', '-c', script);
    const id = await daemon.ok('commit', '-m', 'the work', '-a', 'A. Worker', 'worker', 'worked:1');
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(
      await daemon.ok('image', 'inspect', '-f', '{{.Id}} {{.Author}} {{.Comment}}', 'worked:1'),
      `${id} A. Worker the work`,
    );
    const look = 'stat -c "%i %u:%g %a" /tmp/written; stat -c %i /tmp/hard; cat /tmp/soft; ls /home; ls /var/www';
    const [written = '', hard, soft, home, ...web] = (
      await daemon.ok('run', '--rm', 'worked:1', 'sh', '-c', look)
    ).split('\n');
    assert.equal(written.replace(/^\d+ /, ''), '33:33 640');
    assert.equal(hard, written.split(' ')[0], 'a hard link is one file');
    assert.equal(soft, 'words');
    assert.equal(home, 'new', 'a directory made anew hides the one below');
    assert.deepEqual(web, [], 'a removed file is gone');
    await daemon.ok('rm', 'worker');
    assert.equal(await daemon.ok('run', '--rm', 'worked:1', 'cat', '/tmp/hard'), 'words');
    await daemon.ok('rmi', 'worked:1');
  });

  test('a container that ends while it is about to be paused becomes an image as well', async () => {
    for (let i = 0; i < 4; i++) {
      const id = await daemon.ok('run', '-d', 'busybox', 'sh', '-c', 'echo words > /written');
      await daemon.ok('commit', id, 'ended');
      await daemon.ok('rm', '-f', id);
    }
    await daemon.ok('rmi', 'ended');
  });

  test('layers and history are the parent’s and one more', async () => {
    await daemon.ok('run', '--name', 'step', 'busybox', 'sh', '-c', 'echo one > /one');
    await daemon.ok('commit', '-m', 'first', 'step', 'steps:1');
    const layers = async (image: string) =>
      JSON.parse(await daemon.ok('image', 'inspect', '-f', '{{json .RootFS.Layers}}', image)) as string[];
    const base = await layers('busybox');
    const committed = await layers('steps:1');
    assert.deepEqual(committed.slice(0, -1), base);
    const history = (
      await daemon.ok('history', '--no-trunc', '--format', '{{.CreatedBy}}|{{.Comment}}', 'steps:1')
    ).split('\n');
    assert.equal(history[0], 'sh -c echo one > /one|first');
    assert.equal(history.length, (await daemon.ok('history', '-q', 'busybox')).split('\n').length + 1);
    await daemon.ok('save', '-o', '/run/steps.tar', 'steps:1');
    const digest = committed.at(-1)?.replace('sha256:', '') ?? '';
    const layer = await daemon.host.shell(`tar -xOf /run/steps.tar blobs/sha256/${digest} | tar -t`);
    assert.deepEqual(
      layer.split('\n').filter((path) => !path.endsWith('/')),
      ['one'],
      'nothing but what it wrote',
    );
    await daemon.ok('rm', 'step');
    await daemon.ok('rmi', 'steps:1');
    await daemon.ok('load', '-i', '/run/steps.tar');
    assert.equal(await daemon.ok('run', '--rm', 'steps:1', 'cat', '/one'), 'one');
    await daemon.ok('rmi', 'steps:1');
  });

  test('an image and what was made from it: parents, history, and which of them can go', async () => {
    const commit = async (from: string, name: string) => {
      await daemon.ok('run', '--name', 'maker', from, 'sh', '-c', `echo ${name} > /${name}`);
      const id = await daemon.ok('commit', 'maker', name);
      await daemon.ok('rm', 'maker');
      return id;
    };
    await daemon.ok('image', 'prune', '-f');
    const { Id: base } = (await daemon.json('GET', '/images/busybox/json')).body;
    const first = await commit('busybox', 'first');
    const second = await commit('first', 'second');
    const parent = async (name: string) => (await daemon.json('GET', `/images/${name}/json`)).body['Parent'];
    assert.deepEqual([await parent('second'), await parent('first'), await parent('busybox')], [first, base, '']);
    const rows = await daemon.ok('history', '--no-trunc', '-q', 'second');
    assert.deepEqual(rows.split('\n').slice(0, 3), [second, first, base]);
    await daemon.ok('create', '--name', 'user', 'second');
    assert.equal(await daemon.ok('ps', '-a', '--filter', 'ancestor=first', '--format', '{{.Names}}'), 'user');
    await daemon.ok('rm', 'user');

    const listed = async (...flags: string[]) =>
      (await daemon.ok('images', '-q', '--no-trunc', ...flags)).split('\n').sort();
    assert.equal(await daemon.ok('rmi', 'first'), 'Untagged: first:latest');
    assert.equal((await listed()).includes(first), false);
    assert.equal((await listed('-a')).includes(first), true);
    assert.deepEqual(await listed('-f', 'dangling=true'), ['']);
    const short = first.slice('sha256:'.length).slice(0, 12);
    const words = `conflict: unable to delete ${short} (cannot be forced) - image has dependent child images`;
    for (const query of ['', '?force=1']) {
      assert.deepEqual(await daemon.refusal('DELETE', `/images/${first}${query}`), [409, words]);
    }
    assert.match(await daemon.ok('image', 'prune', '-f'), /^Total reclaimed space: 0B$/);
    await daemon.ok('tag', 'second', 'other');
    assert.equal(await parent('other'), first, 'whatever its name');
    const { body } = await daemon.api('GET', '/images/json?all=1');
    const parents = new Map((JSON.parse(body) as Json[]).map(({ Id, ParentId }) => [Id, ParentId]));
    assert.deepEqual([parents.get(second), parents.get(first)], [first, base]);

    await daemon.ok('save', '-o', '/run/line.tar', 'second');
    await daemon.ok('rmi', 'other');
    const gone = (await daemon.ok('rmi', 'second')).split('\n').filter((line) => /^(Untagged|Deleted)/.test(line));
    assert.deepEqual([gone[0], gone[1]], ['Untagged: second:latest', `Deleted: ${second}`]);
    assert.ok(gone.includes(`Deleted: ${first}`), 'nobody needs it any more');
    assert.equal(await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'busybox'), base, 'it has a name');
    await daemon.ok('load', '-i', '/run/line.tar');
    assert.equal(await parent('second'), '', 'an archive knows nothing of it');
    await daemon.ok('rmi', 'second');

    const kept = await commit('busybox', 'kept');
    await commit('kept', 'last');
    await daemon.ok('rmi', 'kept');
    await daemon.ok('rmi', '--no-prune', 'last');
    assert.equal((await listed('-f', 'dangling=true')).includes(kept), true);
    await daemon.ok('rmi', kept);
  });

  test('the image runs as the container did, but for what --change says', async () => {
    await daemon.ok(
      'create',
      '--name',
      'plain',
      '-e',
      'A=1',
      '-e',
      'B=2',
      '-w',
      '/tmp',
      '-l',
      'from=run',
      'busybox',
      'echo',
      'as before',
    );
    await daemon.ok('commit', 'plain', 'same:1');
    assert.equal(await daemon.ok('run', '--rm', 'same:1'), 'as before');
    const changes = [
      'CMD ["arg"]',
      'ENTRYPOINT ["echo", "changed"]',
      'ENV B=3 C=4',
      'EXPOSE 80 53/udp',
      'LABEL made=by-commit',
      'ONBUILD RUN true',
      'USER 7',
      'VOLUME /data',
      'WORKDIR /var',
      'HEALTHCHECK --interval=1m30s --retries=2 CMD true',
      'STOPSIGNAL SIGINT',
    ];
    await daemon.ok('commit', ...changes.flatMap((change) => ['--change', change]), 'plain', 'changed:1');
    const found = await config('changed:1');
    assert.deepEqual(found['Cmd'], ['arg']);
    assert.deepEqual(found['Entrypoint'], ['echo', 'changed']);
    const env = (found['Env'] as string[]).filter((entry) => /^[ABC]=/.test(entry)).sort();
    assert.deepEqual(env, ['A=1', 'B=3', 'C=4']);
    assert.deepEqual(found['ExposedPorts'], { '53/udp': {}, '80/tcp': {} });
    assert.deepEqual(found['Labels'], { from: 'run', made: 'by-commit' });
    assert.equal(found['User'], '7');
    assert.deepEqual(found['Volumes'], { '/data': {} });
    assert.equal(found['WorkingDir'], '/var');
    assert.equal(found['StopSignal'], 'SIGINT');
    assert.equal(await daemon.ok('run', '--rm', '-v', '/tmp:/data', 'changed:1'), 'changed arg');
    const bad = await daemon.docker(['commit', '--change', 'RUN true', 'plain']);
    assert.equal(bad.stderr.trim(), 'Error response from daemon: RUN is not a valid change command');
    await daemon.ok('rm', 'plain');
    await daemon.ok('rmi', 'same:1', 'changed:1');
  });

  test('a change may name what the container’s variables and folder are', async () => {
    const path = '/usr/bin:/bin';
    await daemon.ok('create', '--name', 'varied', '-e', `PATH=${path}`, '-e', 'LAST=1', '-w', '/srv', 'busybox');
    const changes = ['ENV PATH=/opt/bin:$PATH', 'WORKDIR sub', 'LABEL path=$PATH', 'ONBUILD RUN touch /a'];
    await daemon.ok('commit', ...changes.flatMap((change) => ['--change', change]), 'varied', 'varied:1');
    const format = '{{json .Config.Env}} {{.Config.WorkingDir}} {{.Config.Labels.path}} {{.Config.OnBuild}}';
    const [variables = '', ...others] = (await daemon.ok('image', 'inspect', '-f', format, 'varied:1')).split(' ');
    // The CLI hands variables over in any order.
    assert.deepEqual(JSON.parse(variables).toSorted(), ['LAST=1', `PATH=/opt/bin:${path}`]);
    assert.deepEqual(others, ['/srv/sub', `/opt/bin:${path}`, '[RUN', 'touch', '/a]']);
    await daemon.ok('rm', 'varied');
    await daemon.ok('rmi', 'varied:1');
  });

  test('a running container is paused meanwhile, unless it is told not to; who listens hears of it', async () => {
    await daemon.ok('run', '-d', '--name', 'busy', 'busybox', 'sh', '-c', 'echo alive > /alive; sleep 600');
    const actions = async (since: string) => {
      const told = await daemon.told(since, ['container=busy'], '{{.Action}} {{.Actor.Attributes.imageRef}}');
      return told.map((line) => line.replace(' <no value>', ''));
    };
    const first = await daemon.now();
    await daemon.ok('commit', 'busy', 'busy:1');
    assert.deepEqual(await actions(first), ['pause', 'unpause', 'commit busy:1']);
    assert.deepEqual(await daemon.told(first, ['type=image']), ['create', 'tag']);
    const second = await daemon.now();
    const nameless = await daemon.ok('commit', '--pause=false', 'busy');
    assert.deepEqual(await actions(second), ['commit ']);
    assert.equal(await daemon.inspect('busy', '{{.State.Status}}'), 'running');
    assert.equal(await daemon.ok('run', '--rm', nameless, 'cat', '/alive'), 'alive');
    await daemon.ok('rm', '-f', 'busy');
    await daemon.ok('rmi', 'busy:1', nameless);
  });

  test('what is not there, and names that are none', async () => {
    const refused = async (...args: string[]) => (await daemon.docker(args)).stderr.trim();
    assert.equal(await refused('commit', 'nosuch'), 'Error response from daemon: No such container: nosuch');
    await daemon.ok('create', '--name', 'there', 'busybox', 'true');
    assert.match(await refused('commit', 'there', 'UPPER'), /must be lowercase/);
    const answer = await daemon.api('POST', '/v1.41/commit?container=there', {
      Cmd: ['echo', 'by body'],
      Env: ['X=1'],
    });
    assert.equal(answer.status, 201);
    const { Id } = JSON.parse(answer.body) as { Id: string };
    assert.equal(await daemon.ok('run', '--rm', Id), 'by body');
    assert.equal((await daemon.api('POST', '/v1.41/commit?container=there', { Nonsense: 1 })).status, 400);
    await daemon.ok('rm', 'there');
    await daemon.ok('rmi', Id);
  });
});
