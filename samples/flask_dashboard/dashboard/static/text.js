/* Numbers and times as people read them. */

/** "67999.0" becomes "67,999.0": the venue's own digits, none lost. */
export function grouped(number) {
  if (number === undefined || number === null) return "–";
  const [whole, fraction] = number.split(".");
  const parts = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? parts : `${parts}.${fraction}`;
}

/** Milliseconds since 1970 as this place's time of day. */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/** "67,999.0 USDT"; the number alone where nothing is known of its unit. */
export function withUnit(number, unit) {
  return unit ? `${number} ${unit}` : number;
}

export function seconds(number) {
  if (number >= 120) return `${Math.floor(number / 60)} min`;
  return number >= 10 ? `${Math.floor(number)} s` : `${number.toFixed(1)} s`;
}
