import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { Inbox } from '../../../src/buildkit/inbox.ts';
import { parseOptions } from '../../../src/buildkit/options.ts';
import { SolveRequest } from '../../../src/buildkit/protos/control.ts';
import { Definition, definitionOf, resultOf } from '../../../src/buildkit/protos/definition.ts';
import { Packet } from '../../../src/buildkit/protos/session.ts';
import { GrpcError } from '../../../src/grpc/error.ts';
import { Deframer, frame } from '../../../src/grpc/framing.ts';
import { parseDockerfile } from '../../../src/runtime/build/dockerfile.ts';
import { contextPaths, neededSecrets } from '../../../src/runtime/build/needs.ts';
import { neededImages, planBuild } from '../../../src/runtime/build/plan.ts';
import { renderPlan } from '../../../src/runtime/build/render.ts';
import { isClientError, ofBytes, ofText, type Target } from '../target.ts';

const OPTIONS = {
  filename: 'Dockerfile',
  'build-arg:A': 'b',
  'label:a': 'b',
  target: 'x',
  'no-cache': '',
  'force-network-mode': 'none',
  'add-hosts': 'a=10.0.0.1',
  ulimit: 'nofile=9:9',
  platform: 'linux/amd64',
  'shm-size': '8388608',
};
const EXPORTER = { type: 'moby', attributes: { name: 'docker.io/library/a:1' } };
const SOLVE = SolveRequest.encode({
  ref: 'r',
  session: 's',
  frontend: 'dockerfile.v0',
  frontendAttributes: OPTIONS,
  exporters: [EXPORTER],
  cache: { exports: [{ type: 'inline' }] },
});

function framed(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.map((message) => frame([message])));
}

const SYNC = framed(
  Packet.encode({ type: 'stat', stat: { path: 'd', mode: 2 ** 31 + 0o755 } }),
  Packet.encode({ type: 'stat', stat: { path: 'd/f', mode: 0o644, size: 3 } }),
  Packet.encode({ type: 'stat', stat: { path: 'l', mode: 2 ** 27 + 0o777, linkName: 'd/f' } }),
  Packet.encode({ type: 'stat' }),
  Packet.encode({ type: 'data', id: 1, data: Buffer.from('abc') }),
  Packet.encode({ type: 'data', id: 1 }),
  Packet.encode({ type: 'fin' }),
);

/** Every file is asked for as soon as it is known; what is taken lies below the folder. */
function receiveFiles(bytes: Buffer): void {
  const inbox = new Inbox();
  for (const message of new Deframer().push(bytes)) {
    inbox.take(Packet.decode(message));
    for (const pending of inbox.ahead(64)) {
      const { path } = pending.stat;
      assert.equal(posix.normalize(path), path);
      assert.ok(!path.startsWith('/') && path.split('/')[0] !== '..', path);
      if (!pending.requested && !pending.complete) inbox.ask(pending);
    }
    while (inbox.head?.complete === true) inbox.leave(inbox.head);
  }
}

function readSolve(bytes: Buffer): void {
  const { frontendAttributes, exporters, cache } = SolveRequest.decode(bytes);
  const circumstances = { exporters, cache: cache?.exports ?? [], platform: 'linux/amd64' };
  for (const flag of parseOptions(frontendAttributes, circumstances).request.flags) {
    assert.match(flag, /^--[a-z-]+=[a-z0-9=:,-]+$/);
  }
}

/** What buildah gets has a line for each instruction: nothing that is written in one becomes another. */
function renderDockerfile(text: string): void {
  const options = {
    target: '',
    arguments: { A: 'x y' },
    labels: { l: "it's" },
    platform: 'linux/amd64',
    skipUnused: true,
    contexts: new Map([['f', { kind: 'folder' }]] as const),
  };
  const plan = planBuild(parseDockerfile(text, 'Dockerfile'), options);
  const ids = new Map(neededImages(plan).map((name, index) => [name, String(index)]));
  contextPaths(plan);
  neededSecrets(plan);
  const rendered = renderPlan(plan, {
    ids,
    bases: () => ({ env: ['PATH=/bin', 'E=\n'], shell: undefined }),
    folder: (files) => {
      for (const name of Object.keys(files)) assert.match(name, /^\w[\w.-]*$/);
      return 'folder';
    },
    program: () => '/program',
  });
  const expected = plan.stages.reduce((sum, { steps }) => sum + steps.length, plan.arguments.length);
  assert.equal(rendered.trimEnd().split('\n').length, expected + (plan.escape === '\\' ? 0 : 1));
}

const refuses = (thrown: unknown) =>
  thrown instanceof RangeError || thrown instanceof GrpcError || isClientError(thrown);

export const targets: readonly Target[] = [
  ofBytes('buildkit/files', receiveFiles, [SYNC], '.. / ../x', refuses),
  ofText(
    'build/dockerfile',
    renderDockerfile,
    [
      '# escape=`\nARG A\nFROM a AS b\nRUN x \\\n # c\n y\nCOPY --from=b . .\n',
      'FROM --platform=linux/amd64 a\n',
      'FROM a AS b\nENV A=1 B=$A\nSHELL ["/sh"]\nFROM b\nARG A\nCOPY <<x <<-"y" /to\n$A\nx\n\ty\nRUN <<E\n#!/x\nE\nRUN cat <<E\nE\n',
    ],
    'FROM AS ARG RUN <<EOF <<-E \\ # escape=` ADD $ {A :- --from= --mount=type=secret,id=',
  ),
  ofBytes(
    'buildkit/definition',
    (bytes) => resultOf(Definition.decode(bytes)),
    [Definition.encode(definitionOf('result'))],
    '',
    refuses,
  ),
  ofBytes('buildkit/solve', readSolve, [SOLVE], Object.keys(OPTIONS).join(' '), refuses),
];
