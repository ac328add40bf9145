import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseBuild } from './build.ts';

const parse = (query: Readonly<Record<string, string>>, headers = {}) =>
  parseBuild(new URLSearchParams(query), headers);

describe('POST /build', () => {
  test('what the CLI sends when nothing is asked for', () => {
    const request = parse({
      dockerfile: 'Dockerfile',
      version: '1',
      t: 'app:1',
      cachefrom: '[]',
      ulimits: 'null',
      shmsize: '0',
      rm: '1',
    });
    assert.deepEqual(request, {
      tags: ['app:1'],
      dockerfile: 'Dockerfile',
      arguments: {},
      labels: {},
      target: '',
      useCache: true,
      skipUnused: false,
      output: { kind: 'image' },
      pull: false,
      auths: new Map(),
      networkMode: { kind: 'network', name: 'bridge' },
      extraHosts: [],
      flags: [],
    });
  });

  test('arguments without a value are none; limits become flags', () => {
    const { arguments: given, flags } = parse({
      buildargs: '{"A":"1","B":null}',
      memory: '1048576',
      cpusetcpus: '0-1,3',
      ulimits: '[{"Name":"nofile","Soft":1,"Hard":2}]',
    });
    assert.deepEqual(given, { A: '1' });
    assert.deepEqual(flags, ['--memory=1048576', '--cpuset-cpus=0-1,3', '--ulimit=nofile=1:2']);
  });

  test('credentials come by registry', () => {
    const config = { 'registry.test': { username: 'u', password: 'p' } };
    const { auths } = parse({}, { 'x-registry-config': Buffer.from(JSON.stringify(config)).toString('base64url') });
    assert.equal(auths.get('registry.test')?.password, 'p');
    assert.throws(() => parse({}, { 'x-registry-config': '!' }), /invalid X-Registry-Config/);
  });

  test('what is not supported is refused by name', () => {
    const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
      remote: ['https://example.org', /a remote build context/],
      squash: ['1', /experimental mode/],
      platform: ['linux/arm64', /--platform linux\/arm64/],
      outputs: ['[{"Type":"local"}]', /--output/],
      cgroupparent: ['/x', /--cgroup-parent/],
      securityopt: ['seccomp=unconfined', /does not support setting security options on build/],
      cpusetcpus: ['--privileged', /Invalid value/],
      memory: ['1g', /invalid value for memory/],
      buildargs: ['{', /error reading buildargs/],
      ulimits: ['[{"Name":"x y"}]', /invalid ulimit type/],
    };
    for (const [name, [value, message]] of Object.entries(refused))
      assert.throws(() => parse({ [name]: value }), message);
  });
});
