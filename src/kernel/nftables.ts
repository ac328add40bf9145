import { KernelError } from '../model/errors.ts';
import { NetworkNamespace } from './netns.ts';
import * as sys from './sys.ts';

/** nftables/libnftables.h: NFT_CTX_OUTPUT_JSON, NFT_CTX_OUTPUT_TERSE */
const OUTPUT_JSON = 1 << 4;
const OUTPUT_TERSE = 1 << 11;

/** nft knows errors by strerror(3)'s words only; what it refuses before asking the kernel is EINVAL. */
const ERRORS: readonly (readonly [words: string, code: string, errno: number])[] = [
  ['Operation not permitted', 'EPERM', 1],
  ['No such file or directory', 'ENOENT', 2],
  ['Cannot allocate memory', 'ENOMEM', 12],
  ['Device or resource busy', 'EBUSY', 16],
  ['File exists', 'EEXIST', 17],
  ['Too many open files in system', 'ENFILE', 23],
  ['No space left on device', 'ENOSPC', 28],
  ['Operation not supported', 'EOPNOTSUPP', 95],
  ['No buffer space available', 'ENOBUFS', 105],
];

/**
 * nft(8) without a process: libnftables with one long-lived context, because opening one costs 0.2 ms and closing one after
 * a deletion waits 10–20 ms for the kernel. One command takes 0.1 ms, also when 10,000 elements are there: adding
 * and deleting elements of sets without intervals does not read them.
 */
export class Nftables implements Disposable {
  readonly #library = sys.libnftables();
  readonly #context: sys.Pointer;

  /** @param namespace whose tables; unless told, the daemon's own. Its netlink socket stays there */
  constructor(namespace: NetworkNamespace = NetworkNamespace.home()) {
    this.#context = namespace.run(() => this.#library.nft_ctx_new(0));
    this.#library.nft_ctx_buffer_output(this.#context);
    this.#library.nft_ctx_buffer_error(this.#context);
  }

  /**
   * Runs commands as one transaction: all of them, or none.
   * @param commands nft's language as text, or libnftables-json(5) as an object: `{nftables: [{add: {table: {…}}}]}`
   * @param options `terse`: list sets without their elements
   * @returns what list commands found, as in libnftables-json(5); undefined when there was nothing to say
   * @throws KernelError with nft's own sentence and the line it speaks of. A refusal by the kernel takes 5–20 ms
   */
  run(commands: string | object, { terse = false } = {}): unknown {
    const text = typeof commands === 'string' ? commands : JSON.stringify(commands);
    this.#library.nft_ctx_output_set_flags(this.#context, terse ? OUTPUT_JSON | OUTPUT_TERSE : OUTPUT_JSON);
    const failed = this.#library.nft_run_cmd_from_buffer(this.#context, text) !== 0;
    const output = this.#library.nft_ctx_get_output_buffer(this.#context);
    if (failed) throw failure(this.#library.nft_ctx_get_error_buffer(this.#context));
    return output === '' ? undefined : JSON.parse(output);
  }

  [Symbol.dispose](): void {
    this.#library.nft_ctx_free(this.#context);
  }
}

/** "Error: Could not process rule: File exists" and, in most cases, the command with a mark below it. */
function failure(words: string): KernelError {
  const lines = words
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^\^+$/.test(line));
  const [first = '', command = ''] = lines;
  const sentence = first.replace(/^.*?Error: /, '').replace(/^Could not process rule: /, '');
  const [, code, errno] = ERRORS.find(([known]) => sentence.startsWith(known)) ?? ['', 'EINVAL', 22];
  const where = command === '' ? '' : ` in "${command.length > 200 ? `${command.slice(0, 200)}…` : command}"`;
  return new KernelError({ operation: 'change the firewall', errno, sentence: sentence + where }, code);
}
