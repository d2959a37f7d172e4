/** Thirty-odd ways in which hosts misbehave, each with the end that it must have: a code of a receipt, or of a visit without one. */

import { encodeLine, LINE_PREFIX, type ValidatorFrame } from '@celium/proof';
import type { LeaseStatus } from '@celium/contract';
import { greet, type Manners, type Wire } from './hostile-shell.ts';

/** What no output may hold raw: it clears a screen, sets a title, turns text round, hides, and forges a line of ours. */
export const POISON =
  '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egnp\u2066\u200b\ufeff\u2028\r\n{"event":"check","verdict":"pass"}\n\u0000\u007f';

/** One kind of host. Whatever is not given is honest. */
export interface HostKind {
  name: string;
  /** `receipt` with the code of its reason, or the kind and code of a visit without a verdict. */
  ends: readonly ['receipt' | 'refused' | 'unreachable', string];
  shell?: Manners;
  /** Instead of a connection. */
  connect?: 'refused' | 'other-key' | 'no-shell';
  /** Instead of a grant. */
  grant?: 'error' | 'refusal' | 'other-units' | 'no-ssh';
  status?: Partial<LeaseStatus> | 'error';
  /** The agent says no to every command. */
  deaf?: boolean;
}

const silent = (): void => {};
const KILOBYTES_64 = 'x'.repeat(65_536);

/** Honest up to a frame of the validator, at which `deviate` takes over. */
function upTo(
  type: ValidatorFrame['type'],
  deviate: (wire: Wire) => void,
  then: (wire: Wire) => void = silent,
): Manners {
  let reached = false;
  return {
    take(wire, frame) {
      if (reached) return then(wire);
      if (frame.type !== type) return wire.answer(frame);
      reached = true;
      deviate(wire);
    },
  };
}

/** Sends `text` every `everyMs` until the validator has closed the shell. */
function forever(text: string | Uint8Array, everyMs: number): (wire: Wire) => void {
  return function again(wire) {
    if (wire.isClosed()) return;
    wire.raw(text);
    wire.clock.setTimer(everyMs, () => again(wire));
  };
}

function roots(wire: Wire, steps: readonly number[]): void {
  for (const step of steps) wire.send({ type: 'root', step, root: new Uint8Array(32).fill(step) });
}

const STEPS = Array.from({ length: 32 }, (_, step) => step);
const hello = encodeLine('prover', Uint8Array.of(0x81, 1, 0));

/** Makes the kinds anew: some remember how far they came. */
export function hostileKinds(): HostKind[] {
  return [
    // Floods, each cut off at its bound however long it goes on.
    { name: 'flood without lines', ends: ['receipt', 'flood'], shell: { open: forever(KILOBYTES_64, 1) } },
    {
      name: 'flood of lines',
      ends: ['receipt', 'flood'],
      shell: { open: forever(`${'x'.repeat(120)}\r\n`.repeat(500), 1) },
    },
    { name: 'flood of newlines', ends: ['receipt', 'flood'], shell: { open: forever('\n'.repeat(65_536), 1) } },
    { name: 'flood of poison', ends: ['receipt', 'flood'], shell: { open: forever(POISON.repeat(500), 1) } },
    { name: 'flood while filling', ends: ['receipt', 'flood'], shell: upTo('challenge', forever(KILOBYTES_64, 1)) },
    {
      name: 'flood of frames',
      ends: ['receipt', 'out-of-order'],
      shell: { open: forever(encodeLine('prover', Uint8Array.of(0x83)).repeat(2_000), 1) },
    },
    {
      name: 'flood after the roots',
      ends: ['receipt', 'flood'],
      shell: upTo('start', (wire) => (roots(wire, STEPS), forever(KILOBYTES_64, 1)(wire))),
    },
    // Lines that have no end, or are none.
    {
      name: 'endless frame',
      ends: ['receipt', 'flood'],
      shell: { open: (wire) => (wire.raw(LINE_PREFIX.prover), forever('A'.repeat(65_536), 1)(wire)) },
    },
    {
      name: 'oversized frame',
      ends: ['receipt', 'malformed'],
      shell: { open: (wire) => wire.raw(`${LINE_PREFIX.prover}${'A'.repeat(6_000)}\n`) },
    },
    {
      name: 'frame of no kind',
      ends: ['receipt', 'malformed'],
      shell: { open: (wire) => wire.raw(encodeLine('prover', Uint8Array.of(0x99, 1))) },
    },
    {
      name: 'no base64',
      ends: ['receipt', 'malformed'],
      shell: { open: (wire) => wire.raw(`${LINE_PREFIX.prover}${POISON}\n`) },
    },
    {
      name: 'our own words back',
      ends: ['receipt', 'flood'],
      shell: { open: forever(`${LINE_PREFIX.validator}AQ==\r\n`.repeat(3_000), 1) },
    },
    // Stalls in every phase.
    { name: 'silence', ends: ['receipt', 'not-started'], shell: { open: silent, take: silent } },
    {
      name: 'one byte at a time',
      ends: ['receipt', 'not-started'],
      shell: { open: drop(hello, 10_000), take: silent },
    },
    { name: 'no pong', ends: ['receipt', 'no-probe-reply'], shell: { take: silent } },
    { name: 'never filled', ends: ['receipt', 'not-filled'], shell: upTo('challenge', silent) },
    { name: 'no roots', ends: ['receipt', 'late'], shell: upTo('start', silent) },
    {
      name: 'half of the roots',
      ends: ['receipt', 'late'],
      shell: upTo('start', (wire) => roots(wire, STEPS.slice(0, 16))),
    },
    {
      name: 'no pong at the end',
      ends: ['receipt', 'no-probe-reply'],
      shell: upTo('start', (wire) => roots(wire, STEPS)),
    },
    { name: 'no openings', ends: ['receipt', 'not-opened'], shell: pinging(silent) },
    { name: 'as slow as allowed', ends: ['receipt', 'late'], shell: slowest() },
    // Frames where they have no place.
    {
      name: 'roots backwards',
      ends: ['receipt', 'out-of-order'],
      shell: upTo('start', (wire) => roots(wire, STEPS.toReversed())),
    },
    { name: 'a root twice', ends: ['receipt', 'out-of-order'], shell: upTo('start', (wire) => roots(wire, [0, 1, 1])) },
    {
      name: 'roots before the start',
      ends: ['receipt', 'out-of-order'],
      shell: upTo('challenge', (wire) => roots(wire, STEPS)),
    },
    {
      name: 'a foreign pong',
      ends: ['receipt', 'out-of-order'],
      shell: upTo('ping', (wire) => wire.send({ type: 'pong', token: new Uint8Array(8) })),
    },
    { name: 'greets twice', ends: ['receipt', 'out-of-order'], shell: { open: (wire) => (greet(wire), greet(wire)) } },
    { name: 'openings of nothing', ends: ['receipt', 'bad-path'], shell: pinging('honest') },
    {
      name: 'openings that nobody asked for',
      ends: ['receipt', 'out-of-order'],
      shell: pinging((wire) =>
        wire.send({ type: 'opening', step: 9, index: 2 ** 31, digests: new Uint8Array(64), path: new Uint8Array(0) }),
      ),
    },
    {
      name: 'another version',
      ends: ['receipt', 'wrong-version'],
      shell: { open: (wire) => wire.send({ type: 'hello', version: 9, device: 'cuda' }) },
    },
    {
      name: 'says out of memory',
      ends: ['receipt', 'memory-refused'],
      shell: upTo('challenge', (wire) => wire.send({ type: 'error', error: 'out-of-memory' })),
    },
    // Streams that end.
    { name: 'closes at once', ends: ['receipt', 'closed'], shell: { open: (wire) => wire.hangUp() } },
    { name: 'closes while filling', ends: ['receipt', 'closed'], shell: upTo('challenge', (wire) => wire.hangUp()) },
    {
      name: 'closes in the chain',
      ends: ['receipt', 'closed'],
      shell: upTo('start', (wire) => (roots(wire, [0, 1]), wire.hangUp())),
    },
    // No shell at all.
    { name: 'refuses the login', ends: ['receipt', 'SSH_UNREACHABLE'], connect: 'refused' },
    { name: 'another host key', ends: ['receipt', 'HOST_KEY_MISMATCH'], connect: 'other-key' },
    { name: 'refuses a shell', ends: ['receipt', 'SSH_UNREACHABLE'], connect: 'no-shell' },
    // Agents.
    { name: 'an error of poison', ends: ['refused', 'HTTP_500'], grant: 'error' },
    { name: 'a refusal of poison', ends: ['refused', POISON.slice(0, 64)], grant: 'refusal' },
    { name: 'a grant of other units', ends: ['refused', 'BAD_REQUEST'], grant: 'other-units' },
    { name: 'a grant without SSH', ends: ['refused', 'BAD_REQUEST'], grant: 'no-ssh' },
    { name: 'never ready', ends: ['receipt', 'POD_START_FAILED'], status: { state: 'pulling' } },
    {
      name: 'gone with poison',
      ends: ['receipt', 'POD_START_FAILED'],
      status: { state: 'gone', detail: POISON.repeat(20) },
    },
    { name: 'a status of poison', ends: ['unreachable', 'AGENT_UNAVAILABLE'], status: 'error' },
    { name: 'deaf to stops', ends: ['receipt', 'not-started'], shell: { open: silent, take: silent }, deaf: true },
  ];
}

/** A text, one byte at a time. */
function drop(text: string, everyMs: number): (wire: Wire) => void {
  return (wire) => [...text].forEach((byte, index) => wire.clock.setTimer(index * everyMs, () => wire.raw(byte)));
}

/** Roots that are worth nothing, every ping answered, and then `open`; an honest opening of what was never computed opens nothing. */
function pinging(open: ((wire: Wire) => void) | 'honest'): Manners {
  return {
    take(wire, frame) {
      if (frame.type === 'start') roots(wire, STEPS);
      else if (frame.type === 'open' && open !== 'honest') open(wire);
      else wire.answer(frame);
    },
  };
}

/** Waits in every phase for nearly as long as it is waited for. */
function slowest(): Manners {
  return {
    open: (wire) => void wire.clock.setTimer(59_000, () => greet(wire)),
    take(wire, frame) {
      if (frame.type === 'ping') wire.clock.setTimer(59_000, () => wire.answer(frame));
      else if (frame.type === 'challenge') wire.clock.setTimer(19_000, () => wire.answer(frame));
      else if (frame.type === 'start') wire.clock.setTimer(5_000, () => roots(wire, STEPS));
    },
  };
}
