/* The page: takes each state that the server pushes and shows it. Text of the venue's goes in as text, never as HTML. */

import { drawDepth, drawSpark, hoverable } from "./charts.js";
import { grouped, clock, seconds } from "./text.js";
import "./task.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  stale: "Stale",
  failed: "Ended",
  offline: "Server not reached",
};
const SILENCE = 4000; // ms without a word from the server after which the page says so
const NOTICE = 15000; // ms that a recovery stays in sight

const byId = (id) => document.getElementById(id);
const put = (id, text) => {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text; // an equal text would be read out again
};

let heard = Date.now(); // when the server last sent a state
let state = null; // that state
let offline = false;
let gapsSeen = null;
let noticeUntil = 0;
let drawing = false;

/* ---- the stream -------------------------------------------------------------------------------------- */

function listen() {
  const source = new EventSource("/events");
  source.onmessage = (message) => {
    heard = Date.now();
    offline = false;
    state = JSON.parse(message.data);
    schedule();
  };
  source.onerror = () => {
    offline = true;
    schedule();
    // After a broken connection it comes back by itself; after a refusal (too many pages) it does not.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}

function schedule() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    showStatus();
    if (state !== null) showMarket();
  });
}

/* ---- how far it can be trusted ----------------------------------------------------------------------- */

function showStatus() {
  const silence = Date.now() - heard;
  const { word: told, age: toldAge, reason } = state?.status ?? { word: "connecting", age: null, reason: null };
  const word = offline || silence > SILENCE ? "offline" : told;
  const age = toldAge === null ? null : toldAge + silence / 1000;
  const isLive = word === "live";

  byId("status").dataset.word = word;
  document.body.classList.toggle("old", !isLive);
  put("word", WORDS[word]);
  put("age", isLive || age === null ? "" : seconds(age));

  const gap = state?.gaps[0];
  if (gap !== undefined && gapsSeen !== null && gap.time !== gapsSeen) noticeUntil = Date.now() + NOTICE;
  if (state !== null) gapsSeen = gap?.time ?? 0;
  if (!isLive && (reason || age !== null)) {
    const why = word === "offline" ? "Or too many pages are open." : reason ?? "";
    tell("warning", `${WORDS[word]}. ${age === null ? "" : "The prices below are old. "}${why}`);
  } else if (isLive && Date.now() < noticeUntil) {
    tell("good", `Recovered at ${clock(gap.time)} after a gap of ${seconds(gap.gap)}. Trades in between may be missing.`);
  } else {
    tell("", !isLive ? "" : gap === undefined ? "No gap so far" : `Last gap ${seconds(gap.gap)}, at ${clock(gap.time)}`);
  }
}

/* Its place is always there: what comes and goes must not move a button under somebody's finger. */
function tell(kind, text) {
  byId("notice").dataset.kind = kind;
  put("notice", text);
}

/* ---- the market -------------------------------------------------------------------------------------- */

function showMarket() {
  const { ticker, line, trades, bids, asks, gaps, counts } = state;
  showPrice(ticker, trades);
  drawSpark(byId("spark"), line);
  put("bid", grouped(bids[0]?.[0]));
  put("ask", grouped(asks[0]?.[0]));
  if (bids.length && asks.length) {
    const places = (bids[0][0].split(".")[1] ?? "").length;
    put("spread", (Number(asks[0][0]) - Number(bids[0][0])).toFixed(places));
  }
  drawDepth(byId("depth"), bids, asks);
  showTrades(trades);
  for (const [name, count] of Object.entries(counts)) put(name, count.toLocaleString("en"));
  showGaps(gaps);
}

/* What the header says of the present is in this list, too: a gap that is still open comes first. */
function showGaps(gaps) {
  const { word, age } = state.status;
  const open = word === "reconnecting" ? [item("li", `now – open${age === null ? "" : `, ${seconds(age)} so far`}`)] : [];
  const closed = gaps.map((gap) => item("li", `${clock(gap.time)} – ${seconds(gap.gap)}`));
  if (open.length || closed.length) byId("gaps").replaceChildren(...open, ...closed);
}

function showPrice(ticker, trades) {
  const before = trades.find(({ price }) => price !== undefined && price !== ticker.last);
  const direction = Math.sign(Number(ticker.last) - Number(before?.price)) || 0;
  put("price", grouped(ticker.last));
  byId("price").parentElement.dataset.direction = direction;
  put("direction", ["▼", "", "▲"][direction + 1]);
  const change = ticker.change == null ? null : Number(ticker.change) * 100;
  put("change", change === null ? "–" : `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(2)} %`);
  byId("change").className = change === null || change === 0 ? "" : change > 0 ? "buy" : "sell";
  put("high", grouped(ticker.high));
  put("low", grouped(ticker.low));
  put("volume", ticker.volume == null ? "–" : Number(ticker.volume).toLocaleString("en", { maximumFractionDigits: 0 }));
  document.title = `${document.body.classList.contains("old") ? "old: " : ""}${grouped(ticker.last)} ${document.body.dataset.symbol}`;
}

function showTrades(trades) {
  const rows = trades.map((trade) => {
    const row = document.createElement("tr");
    if (trade.gap !== undefined) {
      row.className = "gap";
      const cell = item("td", `gap of ${seconds(trade.gap)}: trades may be missing`);
      cell.colSpan = 4;
      row.append(cell);
    } else {
      row.className = trade.side === "Buy" ? "buy" : "sell";
      const cells = [clock(trade.time), trade.side, trade.size, grouped(trade.price)];
      row.append(...cells.map((text) => item("td", text)));
    }
    return row;
  });
  const first = !byId("trades").rows.length;
  byId("trades").replaceChildren(...rows);
  if (first) fitRows();
}

function item(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

/* The list of trades is as high as whole rows are. */
function fitRows() {
  const box = document.querySelector(".rows");
  const row = byId("trades").rows[0];
  box.style.flex = "";
  if (!row || getComputedStyle(box).overflowY !== "auto") return; // on a phone the page scrolls
  const head = box.querySelector("thead").offsetHeight;
  const count = Math.max(1, Math.floor((box.clientHeight - head) / row.offsetHeight));
  box.style.flex = `0 0 ${head + count * row.offsetHeight}px`;
}

listen();
for (const id of ["depth", "spark"]) hoverable(byId(id));
new ResizeObserver(fitRows).observe(document.querySelector(".trades"));
setInterval(schedule, 500); // ages grow though nothing comes
new ResizeObserver(schedule).observe(byId("depth"));
