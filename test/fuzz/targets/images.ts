import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { statusOf } from '../../../src/api/status.ts';
import { decodeMessage } from '../../../src/grpc/error.ts';
import { EngineError } from '../../../src/model/errors.ts';
import { parsePlatformName } from '../../../src/model/platform.ts';
import { guarded, TarGuard } from '../../../src/runtime/files/tar-guard.ts';
import { Archive } from '../../../src/runtime/images/archive.ts';
import type { Blobs } from '../../../src/runtime/images/blobs.ts';
import { applyChanges } from '../../../src/runtime/images/changes.ts';
import { parseConfig } from '../../../src/runtime/images/config.ts';
import { parseArchiveManifest, parseIndex, parseManifest } from '../../../src/runtime/images/manifest.ts';
import { choosePlatform } from '../../../src/runtime/images/platform.ts';
import { familiarReference, formatReference, parseReference, parseTag } from '../../../src/runtime/images/reference.ts';
import { containerOwners } from '../../../src/runtime/images/tar-owners.ts';
import { decodeEntry } from '../../../src/runtime/logs/entry.ts';
import { checkLogConfig } from '../../../src/runtime/logs/settings.ts';
import { parseSignal } from '../../../src/runtime/process/signals.ts';
import { Authorizer } from '../../../src/runtime/registry/authorizer.ts';
import { parseChallenges } from '../../../src/runtime/registry/challenge.ts';
import { errorFromBody } from '../../../src/runtime/registry/failure.ts';
import type { HttpAnswer, HttpClient } from '../../../src/runtime/registry/http.ts';
import { proxyFor } from '../../../src/runtime/registry/proxy.ts';
import { parseProfile, resolveProfile } from '../../../src/runtime/spec/seccomp.ts';
import { parseSecurityOptions } from '../../../src/runtime/spec/security.ts';
import { findUser } from '../../../src/runtime/spec/user.ts';
import { ofBytes, ofJson, ofText, type Target } from '../target.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const DESCRIPTOR = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGEST, size: 3 };
const CONFIG = {
  architecture: 'amd64',
  os: 'linux',
  created: '2024-01-01T00:00:00Z',
  config: {
    Env: ['A=b'],
    Cmd: ['sh'],
    Volumes: { '/a': {} },
    Labels: { a: 'b' },
    Healthcheck: { Test: ['CMD', 'a'], Interval: 1e9 },
    Shell: ['sh'],
  },
  rootfs: { type: 'layers', diff_ids: [DIGEST] },
  history: [{ created_by: 'x', empty_layer: true }],
};
const INDEX = {
  manifests: [{ ...DESCRIPTOR, platform: { os: 'linux', architecture: 'amd64' }, annotations: { a: 'b' } }],
};

function useReference(text: string): void {
  const reference = parseReference(text);
  assert.deepEqual(parseReference(formatReference(reference)), reference);
  assert.deepEqual(parseReference(familiarReference(reference)), reference);
  if (reference.digest === undefined) parseTag(text, 'v1');
}

function usePlatform(text: string): void {
  const platform = parsePlatformName(text);
  choosePlatform(parseIndex(INDEX), platform);
}

/** A file of a tar, with its header's sum right, so that more than headers is tried. */
function tarred(name: string, content: string, type = '0', link = ''): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write('0000644\x000000000\x000000000\0', 100);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0        ', 136);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\x0000', 257);
  return Buffer.concat([summed(header), Buffer.from(content), Buffer.alloc(-content.length & 511)]);
}

function summed(header: Buffer): Buffer {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

const TAR = Buffer.concat([
  tarred('manifest.json', '[]'),
  tarred('pax', '18 path=a/b/long\n12 uid=4000\n', 'x'),
  tarred('a', 'x'),
  tarred('b', '', '2', '../a'),
  tarred('c', '', '1', 'a'),
  Buffer.alloc(1024),
]);

/** Headers whose sums are right again: otherwise nearly every mutation would end there. */
function mended(tar: Buffer): Buffer {
  const copy = Buffer.from(tar);
  for (let at = 0; at + 512 <= copy.length; at += 512) {
    const header = copy.subarray(at, at + 512);
    if (header.toString('latin1', 257, 262) === 'ustar') summed(header);
  }
  return copy;
}

const sink: Pick<Blobs, 'write'> = {
  write: async (source) => {
    let size = 0;
    for await (const piece of source) size += piece.length;
    return { digest: DIGEST, size };
  },
};

/** @throws unless the archive's own refusal, which is the client's fault, comes of it */
async function readArchive(bytes: Buffer): Promise<void> {
  const archive = await Archive.read(Readable.from([mended(bytes)]), sink as Blobs, 'lease');
  archive.has('manifest.json');
  for (const path of ['a', 'b', 'c']) if (archive.has(path)) archive.file(path);
}

async function mapOwners(bytes: Buffer): Promise<void> {
  const ids = [{ container: 0, host: 100_000, size: 65_536 }];
  let size = 0;
  for await (const piece of containerOwners(Readable.from([mended(bytes)]), { uids: ids, gids: ids })) {
    size += piece.length;
    assert.ok(size <= 2 * bytes.length + 4096, 'it grows without bound');
  }
}

async function guardTar(bytes: Buffer): Promise<void> {
  for await (const _piece of guarded(Readable.from([bytes])));
  const whole = tryGuard(bytes, bytes.length);
  const bits = tryGuard(bytes, 7);
  assert.equal(whole, bits, 'what is refused does not depend on how it is cut');
}

function tryGuard(bytes: Buffer, size: number): boolean {
  const guard = new TarGuard();
  try {
    for (let at = 0; at < bytes.length; at += size) guard.check(bytes.subarray(at, at + size));
    return true;
  } catch (error) {
    if (error instanceof EngineError) return false;
    throw error;
  }
}

function answerOf(status: number, text: string, url: URL): HttpAnswer {
  const body = Readable.from([Buffer.from(text)]);
  return { status, statusText: '', headers: {}, body: body as HttpAnswer['body'], url };
}

/** A header's challenge on the first line, the token server's answer behind it. */
async function authorize(text: string): Promise<void> {
  const [header = '', ...body] = text.split('\n');
  const http: Pick<HttpClient, 'send' | 'isPlain'> = {
    isPlain: true,
    send: async ({ url }) => answerOf(200, body.join('\n'), url),
  };
  const auth = { username: 'u', password: 'p', identityToken: '', registryToken: '' };
  const authorizer = new Authorizer(http as HttpClient, auth);
  authorizer.challenged(parseChallenges(header));
  const given = await authorizer.header(['repository:a:pull'], new AbortController().signal);
  assert.ok(given === undefined || /^(Bearer|Basic) [\x21-\x7e]+$/.test(given), `${given}`);
}

function useFailure(text: string): void {
  for (const status of [401, 403, 404, 429, 500]) {
    const error = errorFromBody(status, 'words', text);
    assert.equal(typeof statusOf(error), 'number');
    assert.ok(error.message.length < 2200, 'a registry does not fill the log');
  }
}

function useAccounts(text: string): void {
  for (const user of ['', 'web', '0', '1000:web', 'web:www']) {
    try {
      const { uid, gid, additionalGids } = findUser({ passwd: text, group: text }, user, ['www']);
      for (const id of [uid, gid, ...(additionalGids ?? [])])
        assert.ok(Number.isInteger(id) && id >= 0 && id <= 0x7fffffff, `${id}`);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
  }
}

function useProfile(text: string): void {
  const profile = parseProfile(text);
  resolveProfile(profile, { capabilities: ['CAP_CHOWN'], architecture: 'amd64', kernel: [6, 1], runs32Bit: true });
}

/** What the parser of bodies has let through: a driver's name and texts. */
function useLogOptions(value: unknown): void {
  const { driver, options = {} } = Object(value) as { driver?: unknown; options?: object };
  if (typeof driver !== 'string' || typeof options !== 'object' || options === null) return;
  const texts = Object.entries(options).filter(([, text]) => typeof text === 'string');
  checkLogConfig({ driver, options: Object.fromEntries(texts) });
}

const CHECK_FIELDS = ['Test', 'Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'];

function useChanges(text: string): void {
  const { Healthcheck } = applyChanges({ Env: ['A=b'] }, [text]);
  for (const name of Object.keys(Healthcheck ?? {})) assert.ok(CHECK_FIELDS.includes(name), name);
}

const PROFILE = {
  defaultAction: 'SCMP_ACT_ERRNO',
  archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
  syscalls: [
    {
      names: ['read'],
      action: 'SCMP_ACT_ALLOW',
      args: [],
      includes: { caps: ['CAP_CHOWN'], minKernel: '4.8' },
      excludes: { arches: ['arm'] },
    },
  ],
};

const isEngineError = (thrown: unknown) => thrown instanceof EngineError;

export const targets: readonly Target[] = [
  ofJson('images/manifest', (value) => [parseManifest(value)], [{ config: DESCRIPTOR, layers: [DESCRIPTOR] }]),
  ofJson('images/index', parseIndex, [INDEX]),
  ofJson('images/archive-manifest', parseArchiveManifest, [[{ Config: 'a.json', RepoTags: ['a:b'], Layers: ['l'] }]]),
  ofJson('images/config', parseConfig, [CONFIG], 'NONE CMD-SHELL constructor'),
  ofText(
    'images/reference',
    useReference,
    ['busybox', 'r.example:5000/a/b:v1', `a@${DIGEST}`, 'docker.io/library/a__b'],
    'docker.io/ library/ localhost/ : @ __ --- index.docker.io/ sha256:',
  ),
  ofText(
    'images/platform',
    usePlatform,
    ['linux/amd64', 'arm64', 'linux/arm/v7'],
    'constructor toString x86_64 aarch64 windows',
  ),
  ofText(
    'images/changes',
    useChanges,
    [
      'CMD ["a"]\nENV A=$A B="c d"\nEXPOSE 80 90-95/udp\nHEALTHCHECK --interval=1m CMD x',
      'LABEL a=b\nVOLUME /a\nUSER $A\nWORKDIR b',
    ],
    'CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR --retries= --constructor=1s $ { } :- :+ A \\ NONE $ 0-65535',
  ),
  ofBytes('images/archive', readArchive, [TAR], 'ustar ../ / g x L K', isEngineError),
  ofBytes('images/tar-owners', mapOwners, [TAR], 'uid= gid= 999999999', isEngineError),
  ofBytes('files/tar-guard', guardTar, [TAR], 'ustar', isEngineError),
  ofText(
    'registry/authorization',
    authorize,
    [
      'Bearer realm="https://t.example/t",service="s",scope="a"\n{"token":"abc","expires_in":60}',
      'Basic realm="a\\"b"\n',
    ],
    'realm= http://localhost/ access_token refresh_token Negotiate " \\ , 1e999 null []',
    isEngineError,
  ),
  ofText(
    'registry/failure',
    useFailure,
    ['{"errors":[{"code":"DENIED","message":"no"}]}', '{"details":"x"}'],
    'constructor toString __proto__ UNAUTHORIZED null [] {}',
    () => false,
  ),
  ofText(
    'registry/proxy',
    (text) => proxyFor(new URL('https://r.example'), { HTTPS_PROXY: 'p', NO_PROXY: text }),
    ['a.example,.b,10.0.0.0/8,[::1]:80,*'],
    '/129 :443 *.',
  ),
  ofText('containerd/error', decodeMessage, ['a%20b'], '%ff'),
  ofBytes('logs/entry', decodeEntry, [
    Buffer.from('{"log":"a\\n","stream":"stdout","time":"2024-01-01T00:00:00Z","attrs":{"a":"b"}}'),
  ]),
  ofJson(
    'logs/options',
    useLogOptions,
    [
      { driver: 'json-file', options: { 'max-size': '10m', tag: '{{.Name}}' } },
      { driver: 'local', options: { 'max-file': '2', compress: 'true', mode: 'non-blocking' } },
    ],
    'toString journald none labels-regex max-buffer-size 1.5k {{ . }}',
  ),
  ofText('process/signal', parseSignal, ['SIGTERM', 'rtmin+3', '15']),
  ofText(
    'spec/accounts',
    useAccounts,
    ['root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:\nwww:x:33:web,root\n'],
    ': -1 99999999999 # x',
  ),
  ofText('spec/seccomp', useProfile, [JSON.stringify(PROFILE)], 'null names action {} []'),
  ofText(
    'spec/security-options',
    (text) => parseSecurityOptions(text.split(' ')),
    ['no-new-privileges seccomp=unconfined apparmor=a label:x'],
    '= : builtin',
  ),
];
