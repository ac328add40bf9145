import type { Random } from './random.ts';

/** Where numbers turn over, and what parsers hold for special. */
const INTERESTING = [0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 65, 100, 127, 128, 192, 255];
const WORDS = [0, 1, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const TEXTS = [
  '',
  '0',
  '-1',
  '65536',
  '4294967296',
  '9007199254740993',
  '1e999',
  'null',
  '\0',
  '\n',
  '%',
  '%00',
  '../',
  '\ud800',
  'é',
  '/',
  ':',
  '.',
  ',',
  '=',
];
/** A case is small: what is wrong with a parser shows in little, and millions of cases must be run. Bytes */
const LARGEST = 4096;

type Mutator = (input: Buffer, random: Random, words: readonly string[]) => Buffer;

const flipBit: Mutator = (input, random) => {
  const copy = Buffer.from(input);
  const at = random.below(copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  return copy;
};

const setByte: Mutator = (input, random) => {
  const copy = Buffer.from(input);
  copy[random.below(copy.length)] = random.chance(2) ? random.pick(INTERESTING) : random.below(256);
  return copy;
};

const addToByte: Mutator = (input, random) => {
  const copy = Buffer.from(input);
  const at = random.below(copy.length);
  copy[at] = (copy[at] ?? 0) + random.below(35) - 17;
  return copy;
};

/** A number of two or four bytes, of either order. */
const setWord: Mutator = (input, random) => {
  const size = random.chance(2) ? 2 : 4;
  if (input.length < size) return input;
  const copy = Buffer.from(input);
  const value = (random.chance(2) ? random.pick(WORDS) : random.pick(INTERESTING)) % 2 ** (8 * size);
  const at = random.below(copy.length - size + 1);
  if (random.chance(2)) copy.writeUIntBE(value, at, size);
  else copy.writeUIntLE(value, at, size);
  return copy;
};

const insertion = (input: Buffer, at: number, piece: Uint8Array) =>
  Buffer.concat([input.subarray(0, at), piece, input.subarray(at)]);

const insertText: Mutator = (input, random, words) => {
  const text = words.length > 0 && !random.chance(4) ? random.pick(words) : random.pick(TEXTS);
  return insertion(input, random.below(input.length + 1), Buffer.from(text));
};

const overwriteText: Mutator = (input, random, words) => {
  const text = Buffer.from(words.length > 0 && random.chance(2) ? random.pick(words) : random.pick(TEXTS));
  const at = random.below(input.length + 1);
  return Buffer.concat([input.subarray(0, at), text, input.subarray(at + text.length)]);
};

const remove: Mutator = (input, random) => {
  const at = random.below(input.length);
  return Buffer.concat([input.subarray(0, at), input.subarray(at + 1 + random.below(Math.min(16, input.length)))]);
};

const truncate: Mutator = (input, random) => input.subarray(0, random.below(input.length + 1));

/** A piece once more, elsewhere: lists grow, and what must be there once is there twice. */
const repeat: Mutator = (input, random) => {
  const at = random.below(input.length);
  const piece = input.subarray(at, at + 1 + random.below(32));
  const times = random.chance(20) ? 64 : 1 + random.below(3);
  return insertion(input, random.below(input.length + 1), Buffer.concat(Array.from({ length: times }, () => piece)));
};

/** Decimal digits become another number. */
const changeNumber: Mutator = (input, random) => {
  const text = input.toString('latin1');
  const numbers = [...text.matchAll(/\d+/g)];
  if (numbers.length === 0) return input;
  const { 0: digits, index } = random.pick(numbers);
  const other = random.chance(2) ? String(random.pick(WORDS)) : String(Number(digits) + random.below(3) - 1);
  return Buffer.from(text.slice(0, index) + other + text.slice(index + digits.length), 'latin1');
};

const MUTATORS: readonly Mutator[] = [
  flipBit,
  setByte,
  addToByte,
  setWord,
  insertText,
  overwriteText,
  remove,
  truncate,
  repeat,
  changeNumber,
];

/** The beginning of one and the end of the other. */
function splice(one: Buffer, other: Buffer, random: Random): Buffer {
  return Buffer.concat([one.subarray(0, random.below(one.length + 1)), other.subarray(random.below(other.length + 1))]);
}

/** @param other another input, for splicing @param words of the target's language */
export function mutateBytes(input: Buffer, other: Buffer, random: Random, words: readonly string[]): Buffer {
  let result = random.chance(8) ? splice(input, other, random) : input;
  for (let rounds = 1 + random.below(4); rounds > 0; rounds--) result = random.pick(MUTATORS)(result, random, words);
  return result.subarray(0, LARGEST);
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  0.5,
  65536,
  2 ** 53,
  1e308,
  '',
  '0',
  'a',
  ' ',
  '-1',
  'null',
  '/',
  '..',
  '\0',
  '\u2028',
  [],
  [null],
  [''],
  {},
  { '': '' },
];
/** What every object has, and none should be thought to have been given */
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'length', 'a'];

/**
 * A value changed in one place: of another type, missing, doubled, wrapped, or taken from elsewhere. Text that is no JSON is changed as bytes.
 */
export function mutateJson(input: Buffer, other: Buffer, random: Random, words: readonly string[]): Buffer {
  if (random.chance(6)) return mutateBytes(input, other, random, words);
  const value = parse(input);
  if (value === undefined) return mutateBytes(input, other, random, words);
  let result = value;
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) result = change(result, parse(other), random, words);
  return Buffer.from(JSON.stringify(result)).subarray(0, 4 * LARGEST);
}

function parse(input: Buffer): Json | undefined {
  try {
    return JSON.parse(input.toString()) as Json;
  } catch {
    return undefined;
  }
}

/** Goes down at random, and changes the place it comes to. */
function change(value: Json, other: Json | undefined, random: Random, words: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || random.chance(6)) return replaced(value, other, random, words);
  if (Array.isArray(value)) return changeList(value, other, random, words);
  const names = Object.keys(value);
  if (names.length === 0 || random.chance(10)) {
    const name = words.length > 0 && random.chance(2) ? random.pick(words) : random.pick(NAMES);
    return withField(value, name, random.pick(VALUES));
  }
  const name = random.pick(names);
  if (random.chance(8)) return Object.fromEntries(Object.entries(value).filter(([each]) => each !== name));
  if (random.chance(20))
    return withField(value, random.chance(2) ? name.toLowerCase() : name.toUpperCase(), value[name] ?? null);
  return withField(value, name, change(value[name] ?? null, other, random, words));
}

/** As JSON.parse does: "__proto__" becomes a field like any other. */
function withField(value: { [name: string]: Json }, name: string, field: Json): Json {
  return Object.fromEntries([...Object.entries(value), [name, field]]);
}

function changeList(list: Json[], other: Json | undefined, random: Random, words: readonly string[]): Json {
  const at = random.below(list.length);
  if (list.length === 0 || random.chance(8)) return [...list, random.pick(VALUES)];
  if (random.chance(8)) return list.toSpliced(at, 1);
  if (random.chance(8)) return Array.from({ length: random.chance(10) ? 40 : 2 }, () => list[at] ?? null);
  return list.with(at, change(list[at] ?? null, other, random, words));
}

function replaced(value: Json, other: Json | undefined, random: Random, words: readonly string[]): Json {
  if (typeof value === 'string' && !random.chance(3)) {
    const bytes = mutateBytes(Buffer.from(value), Buffer.from(value), random, words);
    return bytes.toString(random.chance(8) ? 'latin1' : 'utf8');
  }
  if (typeof value === 'number' && random.chance(2)) return value + random.below(3) - 1;
  if (other !== undefined && random.chance(4)) return somewhere(other, random);
  if (random.chance(12)) return [value];
  if (words.length > 0 && random.chance(3)) return random.pick(words);
  return random.pick(VALUES);
}

/** Some part of a value. */
function somewhere(value: Json, random: Random): Json {
  if (typeof value !== 'object' || value === null || random.chance(4)) return value;
  const parts = Object.values(value);
  return parts.length === 0 ? value : somewhere(random.pick(parts), random);
}
