/** nf_tables by netlink itself: include/uapi/linux/netfilter/nf_tables.h. Numbers are big-endian. */
import { MessageBatch, NLM_F_ACK, NLM_F_CREATE } from './netlink.ts';
import { failure, NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.ts';
import type { NetworkNamespace } from './netns.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFPROTO_IPV4 = 2;

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_NEWRULE = 6;
const NLM_F_APPEND = 0x800;

const NFTA_TABLE_NAME = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;

/** NFT_REG_1: the one register that all expressions here use */
const REGISTER = 1;
const NFT_REG_VERDICT = 0;
const NFT_CMP_EQ = 0;
const NFT_CMP_NEQ = 1;
const NFT_META_OIF = 5;
const NFT_META_L4PROTO = 16;
const NFT_PAYLOAD_CSUM_INET = 1;
/** linux/netfilter.h */
const NF_ACCEPT = 1;

/** Where a header field lies, as nft_payload counts. */
export interface HeaderField {
  /** NFT_PAYLOAD_NETWORK_HEADER 1, NFT_PAYLOAD_TRANSPORT_HEADER 2 */
  readonly base: 1 | 2;
  /** Bytes from the header's start */
  readonly offset: number;
  /** Bytes */
  readonly length: number;
}

/** One expression of a rule, written into it. */
export type Expression = (batch: MessageBatch) => void;

/** A chain at one of IPv4's hooks. */
export interface BaseChain {
  readonly name: string;
  /** NF_INET_* */
  readonly hook: number;
  readonly priority: number;
}

/** The protocol above IP must be this one (IPPROTO_*). */
export function matchProtocol(protocol: number): Expression[] {
  return [meta(NFT_META_L4PROTO), compare(NFT_CMP_EQ, Uint8Array.of(protocol))];
}

/** It leaves by another link than this. @param index of the link */
export function matchOtherLink(index: number): Expression[] {
  return [meta(NFT_META_OIF), compare(NFT_CMP_NEQ, new Uint8Array(Uint32Array.of(index).buffer))];
}

/** No later rule of the chain looks at the packet. */
export const accept: Expression = expression('immediate', (data) =>
  data.be32(1, NFT_REG_VERDICT).nest(2, (inner) => {
    inner.nest(NFTA_DATA_VERDICT, (verdict) => verdict.be32(NFTA_VERDICT_CODE, NF_ACCEPT));
  }),
);

/** @param value as many bytes as the field, in network order */
export function matchField(field: HeaderField, value: Uint8Array): Expression[] {
  const load = expression('payload', (data) =>
    data.be32(1, REGISTER).be32(2, field.base).be32(3, field.offset).be32(4, field.length),
  );
  return [load, compare(NFT_CMP_EQ, value)];
}

/** Writes into a transport header whose checksum lies at `checksum`, and mends that. */
export function setField(field: HeaderField, value: Uint8Array, checksum: number): Expression[] {
  const load = expression('immediate', (data) =>
    data.be32(1, REGISTER).nest(2, (inner) => inner.bytes(NFTA_DATA_VALUE, value)),
  );
  const store = expression('payload', (data) => {
    data.be32(2, field.base).be32(3, field.offset).be32(4, field.length).be32(5, REGISTER);
    data.be32(6, NFT_PAYLOAD_CSUM_INET).be32(7, checksum);
  });
  return [load, store];
}

/** The packet is not seen by connection tracking. */
export const notrack: Expression = (batch) => batch.text(NFTA_EXPR_NAME, 'notrack');

function meta(key: number): Expression {
  return expression('meta', (data) => data.be32(1, REGISTER).be32(2, key));
}

function compare(operator: number, value: Uint8Array): Expression {
  return expression('cmp', (data) =>
    data
      .be32(1, REGISTER)
      .be32(2, operator)
      .nest(3, (inner) => inner.bytes(NFTA_DATA_VALUE, value)),
  );
}

function expression(name: string, write: (data: MessageBatch) => void): Expression {
  return (batch) => batch.text(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, write);
}

/**
 * Milliseconds. Closing a socket of nf_tables waits until the kernel has destroyed what was deleted in its namespace (before 6.14: in
 * any): 10–30 ms at once, nothing after the next RCU grace period. Meanwhile nobody else changes tables there.
 */
const CLOSE_AFTER_DELETION = 200;

/** A visit to the IPv4 tables of one namespace. */
export class NftVisit implements Disposable {
  readonly #socket: NetlinkSocket;
  #deleted = false;

  constructor(namespace: NetworkNamespace) {
    this.#socket = new NetlinkSocket(NETLINK_NETFILTER, namespace);
  }

  /** Whether there is a table of this name. A question costs 20 µs. */
  hasTable(name: string): boolean {
    const question = new MessageBatch().begin((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, NLM_F_ACK);
    question.raw([NFPROTO_IPV4, 0, 0, 0]).text(NFTA_TABLE_NAME, name).end();
    return this.#socket.exchange(question).failures.size === 0;
  }

  /** @throws KernelError when the kernel refuses it; then nothing has happened. A refusal takes 6–17 ms */
  commit(transaction: NftTransaction): void {
    this.#deleted ||= transaction.deletes;
    const [refused] = this.#socket.exchange(transaction.finish()).failures.values();
    if (refused !== undefined) throw failure('change a sandbox’s nftables', refused);
  }

  /** Nobody waits for the kernel here, which may have something to destroy that others have deleted. */
  [Symbol.dispose](): void {
    const close = () => this.#socket.closeBehind();
    if (this.#deleted) setTimeout(close, CLOSE_AFTER_DELETION).unref();
    else close();
  }
}

/** Changes to IPv4 tables of one namespace: all of them happen, or none. */
export class NftTransaction {
  readonly #batch = new MessageBatch();
  #deletes = false;

  constructor() {
    this.#frame(NFNL_MSG_BATCH_BEGIN);
  }

  /** One that is there already stays as it is. */
  addTable(name: string): this {
    return this.#message(NFT_MSG_NEWTABLE, NLM_F_CREATE, (message) => message.text(NFTA_TABLE_NAME, name));
  }

  deleteTable(name: string): this {
    this.#deletes = true;
    return this.#message(NFT_MSG_DELTABLE, 0, (message) => message.text(NFTA_TABLE_NAME, name));
  }

  addChain(table: string, { name, hook, priority }: BaseChain): this {
    return this.#message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, (message) => {
      message.text(NFTA_CHAIN_TABLE, table).text(NFTA_CHAIN_NAME, name).text(NFTA_CHAIN_TYPE, 'filter');
      message.nest(NFTA_CHAIN_HOOK, (at) => at.be32(NFTA_HOOK_HOOKNUM, hook).be32(NFTA_HOOK_PRIORITY, priority >>> 0));
    });
  }

  /** Appends a rule. */
  addRule(table: string, chain: string, expressions: readonly Expression[]): this {
    return this.#message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, (message) => {
      message.text(NFTA_RULE_TABLE, table).text(NFTA_RULE_CHAIN, chain);
      message.nest(NFTA_RULE_EXPRESSIONS, (list) => {
        for (const write of expressions) list.nest(NFTA_LIST_ELEM, write);
      });
    });
  }

  /** Whether something is deleted by it. */
  get deletes(): boolean {
    return this.#deletes;
  }

  /** The batch to be sent, once. */
  finish(): MessageBatch {
    this.#frame(NFNL_MSG_BATCH_END);
    return this.#batch;
  }

  #frame(type: number): void {
    this.#batch.begin(type, 0).raw([0, 0, 0, NFNL_SUBSYS_NFTABLES]).end();
  }

  #message(type: number, flags: number, write: (message: MessageBatch) => void): this {
    this.#batch.begin((NFNL_SUBSYS_NFTABLES << 8) | type, flags | NLM_F_ACK).raw([NFPROTO_IPV4, 0, 0, 0]);
    write(this.#batch);
    this.#batch.end();
    return this;
  }
}
