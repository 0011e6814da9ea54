/** How sentences and tables write numbers. */

/** Three significant digits where nothing else is said: `12.3`, `0.00456`. */
export function writeDigits(value: number, significant = 3): string {
  return String(Number(value.toPrecision(significant)));
}

/** A share or a ratio in percent with at most one decimal: `5 %`, `131.4 %`. */
export function writePercent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
