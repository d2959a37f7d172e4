/** For `expect.poll`: how long a test waits, on a busy machine, for what sockets and other processes bring about. */
export const PATIENCE = { timeout: 15_000, interval: 20 };
