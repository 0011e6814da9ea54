/** A number from the environment, or its default where the setting is absent; throws a sentence where it is none. */
export function readNumber(
  env: Readonly<Record<string, string | undefined>>,
  setting: string,
  otherwise: number,
  least: number,
  most: number,
): number {
  const text = env[setting]?.trim() ?? '';
  if (text === '') return otherwise;
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw new Error(`${setting} must be a number from ${least} to ${most}; it is "${text.slice(0, 20)}".`);
}
