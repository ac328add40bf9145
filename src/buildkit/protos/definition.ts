import { createHash } from 'node:crypto';
import {
  type InputOf,
  integer,
  type MessageType,
  message,
  nested,
  type OutputOf,
  repeated,
  string,
} from '../../grpc/protobuf.ts';

/* github.com/moby/buildkit: solver/pb/ops.proto. */

/** An element of `repeated bytes` */
const Bytes: MessageType<Buffer, Uint8Array> = {
  encode: (value) => Buffer.from(value),
  pieces: (value) => [value],
  decode: (bytes) => bytes,
};

const Op = message({
  inputs: repeated(1, message({ digest: string(1), index: integer(2) })),
  source: nested(3, message({ identifier: string(1) })),
});

/** LLB: operations, each known by its digest, the last one says which is the result. */
export const Definition = message({
  operations: repeated(1, Bytes),
  metadata: repeated(2, message({ key: string(1), value: nested(2, message({})) })),
});
export type Definition = OutputOf<typeof Definition>;

/** Of a result of ours: what it is made of is not LLB, and clients only hand it on. */
const RESULT = 'fairway-result://';

/** What a client may give to another build, to mean this result. */
export function definitionOf(result: string): InputOf<typeof Definition> {
  const source = Op.encode({ source: { identifier: RESULT + result } });
  const digest = `sha256:${createHash('sha256').update(source).digest('hex')}`;
  return { operations: [source, Op.encode({ inputs: [{ digest }] })], metadata: [{ key: digest, value: {} }] };
}

/** @returns the result it means; undefined: it is LLB of the client's */
export function resultOf({ operations }: Definition): string | undefined {
  if (operations.length !== 2) return undefined;
  const [identifier = ''] = operations.map((operation) => Op.decode(operation).source?.identifier ?? '');
  return identifier.startsWith(RESULT) ? identifier.slice(RESULT.length) : undefined;
}
