/** What a running `provider join` notes in its state folder, so that `leave` and `status` find it. */

export interface MachineRecord {
  /** Of the CLI, which ends the agent when it is ended. */
  pid: number;
  machineId: string;
  machineKey: string;
  hotkeyFile: string;
  hotkey: string;
  socket: string;
  marketUrls: string[];
  chainUrl: string;
}

const TEXTS = ['machineId', 'machineKey', 'hotkeyFile', 'hotkey', 'socket', 'chainUrl'] as const;

/** Whether a value read from a file is a record. */
export function isMachineRecord(value: unknown): value is MachineRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  return (
    Number.isSafeInteger(record['pid']) &&
    TEXTS.every((name) => typeof record[name] === 'string') &&
    Array.isArray(record['marketUrls']) &&
    record['marketUrls'].every((url) => typeof url === 'string')
  );
}
