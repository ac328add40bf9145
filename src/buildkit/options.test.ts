import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from './options.ts';

type Exporter = { readonly type: string; readonly attributes: Readonly<Record<string, string>> };
const MOBY: Exporter = {
  type: 'moby',
  attributes: { name: 'docker.io/library/a:1,docker.io/library/b:2', push: 'true' },
};

function parse(
  options: Readonly<Record<string, string>>,
  exporters: readonly Exporter[] = [MOBY],
  cache: readonly Exporter[] = [],
) {
  return parseOptions(options, { exporters, cache, platform: 'linux/amd64' });
}

test('what the client sends is what the engine is asked for', () => {
  const { request, output, contexts, sessions } = parse({
    filename: 'Other',
    'build-arg:A': 'b=c',
    'label:l': '1',
    target: 'x',
    'no-cache': '',
    'image-resolve-mode': 'pull',
    'force-network-mode': 'none',
    'add-hosts': 'a=10.0.0.1,b=fd00::1',
    ulimit: 'nofile=9:10,core=-1',
    'shm-size': '8388608',
    memory: '1048576',
    cpusetcpus: '0-1,3',
    platform: 'linux/amd64',
    'local-sessionid:context': 's2',
    'context:files': 'local:_files',
    'context:base': 'docker-image://other:1',
    'vcs:revision': 'abc',
    'attest:provenance': 'mode=min',
    'sharedkey:localdir:files': 'x',
  });
  assert.deepEqual(request, {
    tags: ['docker.io/library/a:1', 'docker.io/library/b:2'],
    dockerfile: 'Other',
    arguments: { A: 'b=c' },
    labels: { l: '1' },
    target: 'x',
    useCache: false,
    skipUnused: true,
    pull: true,
    networkMode: { kind: 'none' },
    extraHosts: ['a:10.0.0.1', 'b:fd00::1'],
    flags: [
      '--shm-size=8388608',
      '--memory=1048576',
      '--cpuset-cpus=0-1,3',
      '--ulimit=nofile=9:10',
      '--ulimit=core=-1',
    ],
  });
  assert.equal(output, 'image');
  assert.deepEqual([...sessions], [['context', 's2']]);
  assert.deepEqual(contexts.get('files'), { kind: 'folder', folder: '_files' });
  assert.deepEqual(contexts.get('base'), { kind: 'image', reference: 'other:1' });
});

test('nothing given is Docker’s default', () => {
  const { request, dockerfileFolder, upload, warnings } = parse({});
  assert.deepEqual([request.dockerfile, request.useCache, request.pull], ['Dockerfile', true, false]);
  assert.deepEqual(request.networkMode, { kind: 'network', name: 'bridge' });
  assert.deepEqual([dockerfileFolder, upload, warnings], ['dockerfile', undefined, []]);
  assert.equal(parse({ context: 'http://buildkit-session/abc' }).upload?.pathname, '/abc');
});

test('exporters say what becomes of it', () => {
  assert.equal(parse({}, []).output, 'nothing');
  assert.deepEqual(parse({}, []).request.tags, []);
  assert.equal(parse({}, [{ type: 'local', attributes: {} }]).output, 'folder');
  assert.equal(parse({}, [{ type: 'tar', attributes: {} }]).output, 'tar');
});

test('what is not supported is refused by its name', () => {
  const inline = { type: 'inline', attributes: {} };
  assert.match(parse({}, [MOBY], [inline]).warnings.join(), /--cache-to type=inline has no effect/);
  assert.throws(
    () => parse({}, [MOBY], [{ type: 'registry', attributes: {} }]),
    /--cache-to type=registry is not supported/,
  );
  assert.throws(() => parse({}, [MOBY, MOBY]), /more than one --output is not supported/);
  assert.throws(() => parse({}, [{ type: 'oci', attributes: {} }]), /--output type=oci is not supported/);
  assert.throws(() => parse({}, [{ type: 'image', attributes: { push: 'true' } }]), /--push by this exporter/);
  const annotated = { type: 'moby', attributes: { 'annotation.a': 'b' } };
  assert.throws(() => parse({}, [annotated]), /--output with annotation\.a is not supported/);
  for (const [name, value, words] of [
    ['context', 'https://example.org/x.git', /a remote build context/],
    ['context:x', 'target:y', /--build-context x=target:y/],
    ['context:a,b', 'local:y', /--build-context/],
    ['no-cache', 'stage', /--no-cache-filter/],
    ['platform', 'linux/arm64', /--platform linux\/arm64/],
    ['multi-platform', 'true', /several platforms/],
    ['cgroup-parent', '/x', /--cgroup-parent/],
    ['requestid', 'frontend.lint', /--check/],
    ['build-arg:BUILDKIT_SYNTAX', 'example.org/x', /the frontend example\.org\/x/],
    ['force-network-mode', 'app', /invalid netmode app/],
    ['add-hosts', 'a=x', /invalid IP address/],
    ['ulimit', 'x y', /invalid ulimit/],
    ['memory', '1g', /invalid memory value/],
    ['cpusetcpus', '--privileged', /invalid cpusetcpus value/],
    ['__proto__', 'x', /the option __proto__/],
    ['unheard-of', 'x', /the option unheard-of is not supported/],
  ] as const) {
    assert.throws(() => parse(Object.fromEntries([[name, value]])), words, name);
  }
});
