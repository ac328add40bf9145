import {
  boolean,
  enumeration,
  integer,
  message,
  nested,
  type OutputOf,
  repeated,
  string,
} from '../../../grpc/protobuf.ts';
import { type ServiceTable, unary } from '../../../grpc/service.ts';
import { Any, Descriptor, Empty, Mount, timestamp } from './types.ts';

/** containerd.v1.types.Process: a container's first process, or one added by exec. */
const Process = message({
  containerId: string(1),
  id: string(2),
  pid: integer(3),
  status: enumeration(4, ['unknown', 'created', 'running', 'stopped', 'paused', 'pausing']),
  stdin: string(5),
  stdout: string(6),
  stderr: string(7),
  terminal: boolean(8),
  exitStatus: integer(9),
  exitedAt: timestamp(10),
});
export type TaskProcess = OutputOf<typeof Process>;

const CreateTask = message({
  containerId: string(1),
  rootfs: repeated(3, Mount),
  /** Paths of FIFOs; '' leaves the stream out */
  stdin: string(4),
  stdout: string(5),
  stderr: string(6),
  terminal: boolean(7),
  checkpoint: nested(8, Descriptor),
  options: nested(9, Any),
});

const ExecProcess = message({
  containerId: string(1),
  stdin: string(2),
  stdout: string(3),
  stderr: string(4),
  terminal: boolean(5),
  /** The OCI process as JSON, in an Any of type PROCESS_URL */
  spec: nested(6, Any),
  execId: string(7),
});

const Task = message({ containerId: string(1) });
/** An empty execId means the container's first process. */
const TaskOrExec = message({ containerId: string(1), execId: string(2) });
const Pid = message({ pid: integer(1) });
const Deleted = message({ id: string(1), pid: integer(2), exitStatus: integer(3), exitedAt: timestamp(4) });
const Kill = message({ containerId: string(1), execId: string(2), signal: integer(3), all: boolean(4) });
const ResizePty = message({ containerId: string(1), execId: string(2), width: integer(3), height: integer(4) });
const CloseIo = message({ containerId: string(1), execId: string(2), stdin: boolean(3) });
const Update = message({ containerId: string(1), resources: nested(2, Any) });
const ProcessInfo = message({ pid: integer(1), info: nested(2, Any) });

/** containerd.services.tasks.v1.Tasks: what runs. */
export const tasksService = {
  name: 'containerd.services.tasks.v1.Tasks',
  unary: {
    create: unary('Create', CreateTask, message({ containerId: string(1), pid: integer(2) })),
    start: unary('Start', TaskOrExec, Pid),
    delete: unary('Delete', Task, Deleted),
    deleteProcess: unary('DeleteProcess', TaskOrExec, Deleted),
    get: unary('Get', TaskOrExec, message({ process: nested(1, Process) })),
    list: unary('List', message({ filter: string(1) }), message({ tasks: repeated(1, Process) })),
    kill: unary('Kill', Kill, Empty),
    exec: unary('Exec', ExecProcess, Empty),
    resizePty: unary('ResizePty', ResizePty, Empty),
    closeIo: unary('CloseIO', CloseIo, Empty),
    pause: unary('Pause', Task, Empty),
    resume: unary('Resume', Task, Empty),
    /** Limits as JSON of the OCI specification's linux.resources, in an Any of type RESOURCES_URL */
    update: unary('Update', Update, Empty),
    listPids: unary('ListPids', Task, message({ processes: repeated(1, ProcessInfo) })),
    /** Answers when the process has ended. */
    wait: unary('Wait', TaskOrExec, message({ exitStatus: integer(1), exitedAt: timestamp(2) })),
  },
} satisfies ServiceTable;

/** containerd.runc.v1.Options, given in an Any as CreateTask.options. */
export const RuncOptions = message({
  noPivotRoot: boolean(1),
  noNewKeyring: boolean(2),
  shimCgroup: string(3),
  ioUid: integer(4),
  ioGid: integer(5),
  binaryName: string(6),
  root: string(7),
  systemdCgroup: boolean(9),
});
export const RUNC_OPTIONS_URL = 'containerd.runc.v1.Options';

/** Type URLs under which containerd takes JSON of the OCI runtime specification. */
export const SPEC_URL = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';
export const PROCESS_URL = 'types.containerd.io/opencontainers/runtime-spec/1/Process';
export const RESOURCES_URL = 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources';
