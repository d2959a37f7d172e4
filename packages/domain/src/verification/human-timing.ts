/** How a person rents: when, what, how long, how fast they type. A decoy behaves by draws from here, and nothing else sets its pace. */

/** A fresh number in [0, 1) at each call. */
export type Draw = () => number;

/** One ordinary command, and the pause before it is typed. */
export interface TypedCommand {
  pauseMs: number;
  command: string;
}

/** One visit, drawn before it begins. */
export interface HumanVisit {
  /** From the wish to the rent: looking at offers. */
  beforeRentMs: number;
  /** Units to rent of an offer with several; null for all of it. */
  unitCount: number | null;
  /** Ports to publish besides SSH. */
  ports: number[];
  /** From "it is ready" to the login. */
  beforeLoginMs: number;
  terminal: { columns: number; rows: number; name: string };
  language: string;
  /** What is typed first, before anything else happens. */
  commands: TypedCommand[];
  /** From the last command to the start of the prover. */
  beforeProofMs: number;
  /** From the proof's end to the stop. */
  stayMs: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Values, each with its share. */
type Choices<Value> = ReadonlyArray<readonly [share: number, value: Value]>;

/** Window sizes, terminals and languages as people have them, with how many of a hundred. */
const TERMINALS: Choices<HumanVisit['terminal']> = [
  [30, { columns: 80, rows: 24, name: 'xterm-256color' }],
  [25, { columns: 120, rows: 30, name: 'xterm-256color' }],
  [15, { columns: 120, rows: 40, name: 'xterm-256color' }],
  [10, { columns: 211, rows: 53, name: 'xterm-256color' }],
  [10, { columns: 190, rows: 48, name: 'screen-256color' }],
  [10, { columns: 158, rows: 41, name: 'tmux-256color' }],
];
const LANGUAGES: Choices<string> = [
  [60, 'en_US.UTF-8'],
  [25, 'C.UTF-8'],
  [10, 'en_GB.UTF-8'],
  [5, 'de_DE.UTF-8'],
];
const PORTS: Choices<readonly number[]> = [
  [75, []],
  [15, [8888]],
  [10, [8080]],
];
const COMMANDS: Choices<string> = [
  [30, 'nvidia-smi'],
  [20, 'ls'],
  [15, 'nproc'],
  [15, 'df -h'],
  [10, 'free -h'],
  [10, 'uname -a'],
];
const COMMAND_COUNTS: Choices<number> = [
  [30, 0],
  [40, 1],
  [20, 2],
  [10, 3],
];

/** Draws one visit. Nothing in it depends on the machine, and no two visits share a draw. */
export function drawVisit(draw: Draw, unitsOfOffer: number): HumanVisit {
  const ports = pick(PORTS, draw);
  const commands = Array.from({ length: pick(COMMAND_COUNTS, draw) }, () => ({
    pauseMs: spread(draw, { median: 6 * SECOND_MS, sigma: 0.8, least: 800, most: 3 * MINUTE_MS }),
    command: pick(COMMANDS, draw),
  }));
  return {
    beforeRentMs: spread(draw, { median: 40 * SECOND_MS, sigma: 0.9, least: 3 * SECOND_MS, most: 20 * MINUTE_MS }),
    unitCount: unitsOfOffer > 1 && draw() < 0.7 ? 1 : null,
    ports: [...ports],
    beforeLoginMs: spread(draw, { median: 25 * SECOND_MS, sigma: 1, least: 2 * SECOND_MS, most: 30 * MINUTE_MS }),
    terminal: pick(TERMINALS, draw),
    language: pick(LANGUAGES, draw),
    commands,
    beforeProofMs: spread(draw, { median: 15 * SECOND_MS, sigma: 1, least: SECOND_MS, most: 15 * MINUTE_MS }),
    stayMs: spread(draw, { median: 9 * MINUTE_MS, sigma: 1, least: 20 * SECOND_MS, most: 3 * HOUR_MS }),
  };
}

/** The pause before each character of a typed line, its end included; a person never types faster than 25 ms a key. */
export function keystrokePauses(line: string, draw: Draw): number[] {
  return Array.from(line, (character, index) => {
    const median = index === 0 ? 250 : character === ' ' || character === '\n' ? 190 : 120;
    return spread(draw, { median, sigma: 0.45, least: 25, most: 2_500 });
  });
}

/** How many of a day's rentals of a person begin in this hour, against an average hour; the mean over a day is 1. */
export function activityOfHour(hour: number): number {
  const turn = ((hour - 15) / 24) * 2 * Math.PI;
  return 1 + 0.7 * Math.cos(turn);
}

/** A log-normal draw in whole milliseconds: most pauses are short, some are long. */
function spread(draw: Draw, shape: { median: number; sigma: number; least: number; most: number }): number {
  const normal = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  const value = shape.median * Math.exp(shape.sigma * normal);
  return Math.round(Math.min(Math.max(value, shape.least), shape.most));
}

/** One of several, each with its share of a hundred. */
function pick<Value>(choices: Choices<Value>, draw: Draw): Value {
  let left = draw() * choices.reduce((sum, [share]) => sum + share, 0);
  for (const [share, value] of choices) {
    left -= share;
    if (left < 0) return value;
  }
  return (choices.at(-1) as readonly [number, Value])[1];
}
