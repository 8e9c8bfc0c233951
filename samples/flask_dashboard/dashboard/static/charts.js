/* The two charts, as paths of SVG in the pixels that they have on the screen. */

const NS = "http://www.w3.org/2000/svg";
const FOOT = 22; // for the prices under the chart
const HEAD = 8;

/** The depth chart: for each price, the size of all levels up to it, outwards from the middle, as far as both sides
    of the book are known. */
export function drawDepth(svg, bids, asks) {
  const { clientWidth: width, clientHeight: height } = svg;
  if (!bids.length || !asks.length || !width) return;
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
    labels.push(text(x(middle) + 6, y(sum) - 4, "start", sum.toLocaleString("en"))); // the valley has room for them
  }
  for (const price of ticks(middle - reach, middle + reach, width < 480 ? 5 : 8)) {
    const at = x(price);
    grid.push(shape("path", { d: `M${at} ${height - FOOT}v4` }));
    if (at > 30 && at < width - 30) labels.push(text(at, height - 5, "middle", price.toLocaleString("en")));
  }
  svg.querySelector(".grid").replaceChildren(...grid);
  svg.querySelector(".labels").replaceChildren(...labels);
  svg.describe = (at) => {
    const price = middle - reach + (at / width) * 2 * reach;
    const bid = price < middle;
    const level = (bid ? down : up).filter((each) => (bid ? each.price >= price : each.price <= price)).at(-1);
    const size = (level?.sum ?? 0).toLocaleString("en", { maximumFractionDigits: 3 });
    return `${size} ${bid ? "bid down" : "offered up"} to ${price.toLocaleString("en", { maximumFractionDigits: 1 })}`;
  };
  svg.showHover?.();
}

/** Shows a line and words at the pointer, of what the chart has there. */
export function hoverable(svg) {
  let at = null;
  svg.showHover = () => {
    const { clientWidth: width, clientHeight: height } = svg;
    const words = at === null ? null : svg.describe?.(at);
    const right = at > width / 2;
    const parts = words == null ? [] : [
      shape("path", { d: `M${at} 0V${height}` }),
      text(at + (right ? -6 : 6), 12, right ? "end" : "start", words),
    ];
    svg.querySelector(".hover").replaceChildren(...parts);
  };
  svg.addEventListener("pointermove", (event) => {
    at = event.clientX - svg.getBoundingClientRect().left;
    svg.showHover();
  });
  svg.addEventListener("pointerleave", () => {
    at = null;
    svg.showHover();
  });
}

/** A line through prices, the newest at the right; null is a hole in it. */
export function drawSpark(svg, prices) {
  const { clientWidth: width, clientHeight: height } = svg;
  const known = prices.filter((price) => price !== null).map(Number);
  if (!known.length || !width) return;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const low = Math.min(...known);
  const high = Math.max(...known);
  let path = "";
  prices.forEach((price, index) => {
    if (price === null) return;
    const x = (index / (prices.length - 1)) * (width - 2);
    const y = high === low ? height / 2 : 3 + ((high - price) / (high - low)) * (height - 6);
    // The last one of all is drawn as a point, too, so that one price alone can be seen.
    path += `${prices[index - 1] == null ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}${index === prices.length - 1 ? "h1" : ""}`;
  });
  svg.querySelector("path").setAttribute("d", path);
  svg.describe = (at) => {
    const ago = Math.round((1 - at / width) * (prices.length - 1));
    const price = prices[prices.length - 1 - ago];
    return price == null ? null : `${price} ${ago} s ago`;
  };
  svg.showHover?.();
}

function sums(levels) {
  let sum = 0;
  return levels.map(([price, size]) => ({ price: Number(price), sum: (sum += Number(size)) }));
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

function shape(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function text(x, y, anchor, content) {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = content;
  return element;
}
