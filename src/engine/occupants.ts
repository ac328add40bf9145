import type { Container } from '../model/container.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { Occupants } from '../reconcile/reconciler.ts';
import { capabilitiesOfMask, chooseCapabilities } from '../runtime/spec/capabilities.ts';
import { isUp, membersOf } from './sandboxes.ts';
import type { State } from './state.ts';

/** Whatever the daemon itself holds: a container cannot have more. */
const ANY = capabilitiesOfMask('ffffffffffffffff');

/** Who is in sandboxes, for the reconciler. */
export function occupantsOf(state: State): Occupants {
  const members = (namespace: NamespaceName): Container[] => {
    const sandbox = [...state.sandboxes.values()].find((one) => one.namespace === namespace);
    return sandbox === undefined ? [] : membersOf(state, sandbox.id).filter(isUp);
  };
  return {
    pidIn: (namespace) => members(namespace)[0]?.state.pid,
    maySetUp: (namespace) =>
      members(namespace).some(({ spec }) => chooseCapabilities(spec, ANY).includes('CAP_NET_ADMIN')),
  };
}
