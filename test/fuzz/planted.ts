import { EngineError } from '../../src/model/errors.ts';
import type { Target } from './target.ts';

/** Parsers with a defect each, which the fuzzer has to find. Each stage of the first is one in 256: only coverage leads through all of them. */
const MAGIC = [0x46, 0x57, 0xc0, 0x0c];

function nestedStages(input: Buffer): void {
  if (input[0] !== MAGIC[0]) throw refusal();
  if (input[1] !== MAGIC[1]) throw refusal();
  if (input[2] !== MAGIC[2]) throw refusal();
  if (input[3] === MAGIC[3]) throw new TypeError('planted');
}

/** A length that leads nowhere. */
function endlessLoop(input: Buffer): void {
  for (let at = 0; at < input.length; ) {
    const length = input[at] ?? 0;
    if (length > 200) at += length - 201;
    else at++;
  }
}

function unboundedMemory(input: Buffer): void {
  const found: number[][] = [];
  while (input.includes('aa')) found.push(new Array<number>(1_000_000).fill(0.5));
}

function wrongType(input: Buffer): void {
  const { name }: { name?: unknown } = JSON.parse(input.toString());
  if (typeof name !== 'string') (name as undefined | number)?.toFixed(1);
}

function refusal(): EngineError {
  return new EngineError('invalidArgument', 'no such thing');
}

const common = { shape: 'bytes', words: [], refuses: (thrown: unknown) => thrown instanceof EngineError } as const;

export const targets: readonly Target[] = [
  { ...common, name: 'stages', seeds: [Buffer.alloc(4, 1)], run: nestedStages },
  { ...common, name: 'endless', seeds: [Buffer.from('ordinary')], run: endlessLoop },
  { ...common, name: 'memory', seeds: [Buffer.from('a b')], run: unboundedMemory },
  {
    ...common,
    name: 'type',
    shape: 'json',
    seeds: [Buffer.from('{"name":"a"}')],
    run: wrongType,
    refuses: (thrown) => thrown instanceof SyntaxError,
  },
];
