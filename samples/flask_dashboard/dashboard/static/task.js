/* The buttons: send a request that blocks until the venue has answered, and show its outcome. */

const TITLES = { done: "Done", refused: "Refused", unknown: "Outcome unknown", "not sent": "Not sent" };
const section = document.querySelector(".task");
const buttons = ["switch-on", "switch-off", "look"].map((id) => document.getElementById(id));
const [on, off, look] = buttons;
let busy = false;

async function ask(waiting, options, show = showOutcome) {
  if (busy) return;
  setBusy(true);
  showOutcome({ kind: "waiting", text: waiting });
  try {
    const response = await fetch("/task", options);
    show(response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : refusal(response, options));
  } catch (error) {
    show(silence(error.message, options));
  } finally {
    setBusy(false);
  }
}

/* The line between this page and its own server needs the same care as the one to the venue. */
function silence(reason, options) {
  if (options === undefined) {
    return { kind: "not sent", text: `The dashboard's server did not answer. (${reason})`, retry: "Safe: it changes nothing." };
  }
  const text = `The dashboard's server did not answer: it may or may not have sent the request on. (${reason})`;
  return { kind: "unknown", text, retry: "Ask for its state first." };
}

/* What is no outcome: the server failed, or did not take the page's request and sent nothing on. */
function refusal(response, options) {
  if (response.status >= 500) return silence(`It failed: ${response.status}`, options);
  if (response.status === 429) return { kind: "not sent", text: "That was too often.", retry: "Safe, in a moment." };
  return { kind: "not sent", text: `The dashboard's server said ${response.status}.`, retry: "Load the page again first." };
}

function wish(enabled) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Dashboard": "1" },
    body: JSON.stringify({ enabled }),
  };
}

/* Not `disabled`: that would take the focus away from whoever uses the keyboard. */
function setBusy(value) {
  busy = value;
  for (const button of buttons) button.setAttribute("aria-disabled", String(value));
}

function showOutcome({ kind, text, retry, enabled }) {
  const outcome = document.getElementById("outcome");
  const lines = [];
  if (kind in TITLES) lines.push(line("strong", TITLES[kind]));
  if (text) lines.push(line("p", text));
  if (retry) lines.push(line("p", `Try again? ${retry}`, "retry"));
  outcome.dataset.kind = kind;
  outcome.replaceChildren(...lines);
  if (kind === "unknown") showState("not known");
  else if (enabled === true || enabled === false) showState(enabled ? "on" : "off");
}

function showState(word) {
  document.getElementById("task-state").textContent = word;
  section.dataset.state = word; // the button that would change it stands out
}

function line(name, text, className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  return element;
}

/* Nobody asked for it: a state that comes as it should is shown, and not reported on. */
function showFirst(outcome) {
  showOutcome(outcome.kind === "done" ? { ...outcome, kind: "", text: "" } : outcome);
}

if (section.contains(on)) {
  // Switching on moves money, switching off stops it: only the first is asked about.
  const dialog = document.getElementById("confirm");
  on.addEventListener("click", () => busy || dialog.showModal());
  document.getElementById("cancel").addEventListener("click", () => dialog.close());
  document.getElementById("confirm-on").addEventListener("click", () => {
    dialog.close(); // which gives the focus back to the button
    ask("Switching on …", wish(true));
  });
  off.addEventListener("click", () => ask("Switching off …", wish(false)));
  look.addEventListener("click", () => ask("Asking …"));
  ask("Asking the venue for the task's state …", undefined, showFirst);
}
