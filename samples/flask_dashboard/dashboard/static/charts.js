/* The two charts, as paths of SVG in the pixels that they have on the screen. */

import { grouped, withUnit } from "./text.js";

const NS = "http://www.w3.org/2000/svg";
const FOOT = 22; // for the prices under the chart
const HEAD = 8;
const SPAN = 120_000; // ms of the small chart

/** The depth chart: for each price, the size of all levels up to it, outwards from the middle, as far as both sides
    of the book are known. Returns its points, from left to right, each with what `words(price, sum)` says of it. */
export function drawDepth(svg, bids, asks, unit, words) {
  const { clientWidth: width, clientHeight: height } = svg;
  if (!bids.length || !asks.length || !width) return [];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const down = sums(bids);
  const up = sums(asks);
  const middle = (down[0].price + up[0].price) / 2;
  const reach = Math.min(middle - down.at(-1).price, up.at(-1).price - middle) || 1;
  const shown = [...down, ...up].filter(({ price }) => Math.abs(price - middle) <= reach);
  // Up to a round number, so that the scale stands still while sizes change.
  const most = Math.max(...shown.map(({ sum }) => sum));
  const sizes = ticks(0, most, 4);
  const top = (Math.ceil((2 * most) / sizes[1]) * sizes[1]) / 2;
  const x = (price) => ((price - middle + reach) / (2 * reach)) * width;
  const y = (sum) => height - FOOT - (sum / top) * (height - FOOT - HEAD);

  for (const [name, levels, edge] of [["bids", down, 0], ["asks", up, width]]) {
    const line = steps(levels, x, y, edge);
    svg.querySelector(`.${name}.line`).setAttribute("d", line);
    svg.querySelector(`.${name}.area`).setAttribute("d", `${line}V${height - FOOT}H${x(levels[0].price)}Z`);
  }
  const grid = [shape("path", { class: "middle", d: `M${x(middle)} ${HEAD}V${height - FOOT}` })];
  const labels = [];
  for (const sum of sizes.slice(1)) {
    grid.push(shape("path", { d: `M0 ${y(sum)}H${width}` }));
    // The valley has room for them.
    labels.push(text(x(middle) + 6, y(sum) - 4, "start", withUnit(sum.toLocaleString("en"), unit)));
  }
  for (const price of ticks(middle - reach, middle + reach, width < 480 ? 5 : 8)) {
    const at = x(price);
    grid.push(shape("path", { d: `M${at} ${height - FOOT}v4` }));
    if (at > 30 && at < width - 30) labels.push(text(at, height - 5, "middle", price.toLocaleString("en")));
  }
  svg.querySelector(".grid").replaceChildren(...grid);
  svg.querySelector(".labels").replaceChildren(...labels);
  // With as many places as the sizes have: sums of binary numbers have more.
  const places = Math.max(...[...bids, ...asks].map(([, size]) => (size.split(".")[1] ?? "").length));
  return [...down.reverse(), ...up]
    .filter(({ price }) => Math.abs(price - middle) <= reach)
    .map(({ price, sum, digits }) => ({ x: x(price), y: y(sum), words: words(digits, grouped(sum.toFixed(places))) }));
}

/** A line through the prices of the last two minutes, [ms, price] each, the newest at the right; a price that is null is
    a hole in it. Returns its points, as `drawDepth` does. */
export function drawSpark(svg, prices, words) {
  const { clientWidth: width, clientHeight: height } = svg;
  const known = prices.filter(([, price]) => price !== null).map(([, price]) => Number(price));
  if (!known.length || !width) return [];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const newest = prices.at(-1)[0];
  const points = [];
  let path = "";
  prices.forEach(([time, price], index) => {
    if (price === null || newest - time > SPAN) return;
    const x = (1 - (newest - time) / SPAN) * (width - 2);
    const y = high === low ? height / 2 : 3 + ((high - price) / (high - low)) * (height - 6);
    // The last one of all is drawn as a point, too, so that one price alone can be seen.
    const isFirst = !points.length || prices[index - 1][1] === null;
    path += `${isFirst ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}${index === prices.length - 1 ? "h1" : ""}`;
    points.push({ x, y, words: words(price, time) });
  });
  svg.querySelector("path").setAttribute("d", path);
  return points;
}

function sums(levels) {
  let sum = 0;
  return levels.map(([price, size]) => ({ digits: price, price: Number(price), sum: (sum += Number(size)) }));
}

function steps(levels, x, y, edge) {
  let path = `M${x(levels[0].price).toFixed(1)} ${y(0).toFixed(1)}`;
  for (const { price, sum } of levels) {
    if (edge === 0 ? x(price) < 0 : x(price) > edge) break;
    path += `H${x(price).toFixed(1)}V${y(sum).toFixed(1)}`;
  }
  return `${path}H${edge}`;
}

/** At most about `count` round numbers between two. */
function ticks(from, to, count) {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(from / step); at * step <= to; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

export function shape(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function text(x, y, anchor, content) {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = content;
  return element;
}
