import type { TestHost } from './host.ts';

/**
 * Open vSwitch on a test host, with its datapath in user space ("netdev"), which needs no kernel module. Ends with the host.
 * @param bridges to be made
 */
export async function startOpenVswitch(host: TestHost, ...bridges: readonly string[]): Promise<void> {
  await host.shell(`set -e
    mkdir -p /run/openvswitch
    export OVS_RUNDIR=/run/openvswitch OVS_LOGDIR=/run/openvswitch
    ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file
    ovs-vsctl --no-wait init
    ovs-vswitchd --pidfile --detach --log-file`);
  for (const bridge of bridges) {
    await host.shell(`ovs-vsctl add-br ${bridge} -- set bridge ${bridge} datapath_type=netdev`);
  }
}
