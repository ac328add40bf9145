import { randomInt } from 'node:crypto';

const ADJECTIVES =
  `able agile amber ample avid bold brave breezy bright brisk busy calm candid careful cheerful clever cosy
  crisp curious dapper daring deft eager earnest easy elated fair fearless fine fond frank fresh friendly gallant gentle
  glad golden graceful grand happy hardy hearty honest hopeful humble jolly jovial keen kind lively lucid lucky mellow merry
  mild modest neat nimble noble patient plucky polite proud quick quiet radiant ready robust serene sharp sincere sleek
  smart snug sober solid spry stable steady sunny sure swift tidy upbeat valiant vivid warm wise witty zealous`.split(
    /\s+/,
  );

/** People the network would not be what it is without. */
const SURNAMES =
  `abbate baran berners boggs bush cailliau cerf clark cohen crocker davies deering dijkstra elz engelbart estrin
  feinler floyd gross hamming hopper huffman huitema jacobson kahn karels kleinrock knuth kuo lamarr lamport licklider liskov
  lovelace maxemchuk mccarthy mckusick mealling metcalfe mills mockapetris moy nagle neumann partridge perlman postel
  pouzin radia ramakrishnan reed rekhter resnick roberts romkey saltzer schoffstall shannon shenker stevens sutherland taylor
  thompson tomlinson torvalds turing vixie watson weiser zhang zimmermann`.split(/\s+/);

/** "brave_kahn"; with `attempt` above 0 a digit is appended, as Docker does when names run short. */
export function generateName(attempt: number): string {
  const suffix = attempt > 0 ? String(randomInt(10)) : '';
  return `${pick(ADJECTIVES)}_${pick(SURNAMES)}${suffix}`;
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? 'plain';
}
