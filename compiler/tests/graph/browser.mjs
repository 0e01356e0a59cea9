// Asks a page in a real browser: reads questions as JSON lines, one at a time, and answers each with a JSON line.
//   {"open": "file:///…", "width": 1600, "height": 900, "dark": false} · {"press": "ArrowDown"} · {"type": "text"}
//   {"ask": "javascript"} · {"picture": "file.png"}
// Talks to Chromium by a pipe, and needs nothing that is not Node's own.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [program, profile] = process.argv.slice(2);
const browser = spawn(program, ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
  `--user-data-dir=${profile}`, "--remote-debugging-pipe"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
browser.on("error", (error) => { console.error(String(error)); process.exit(2); });

let number = 0;
const waiting = new Map();
const asked = []; // whatever the page wanted from anywhere
const complaints = [];
let buffer = "";
browser.stdio[4].on("data", (bytes) => {
  buffer += bytes;
  let end;
  while ((end = buffer.indexOf("\0")) >= 0) {
    const message = JSON.parse(buffer.slice(0, end));
    buffer = buffer.slice(end + 1);
    if (message.id) waiting.get(message.id)(message);
    else if (message.method === "Network.requestWillBeSent") asked.push(message.params.request.url);
    else if (message.method === "Runtime.exceptionThrown") complaints.push(message.params.exceptionDetails.text);
    else if (message.method === "Log.entryAdded") complaints.push(message.params.entry.text);
    else if (message.method === "Page.loadEventFired") waiting.get("load")?.();
  }
});
let sessionId;
function call(method, params = {}) {
  const id = ++number;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((done, fail) => waiting.set(id, (message) => {
    waiting.delete(id);
    if (message.error) fail(new Error(`${method}: ${message.error.message}`));
    else done(message.result);
  }));
}

const { targetId } = await call("Target.createTarget", { url: "about:blank" });
({ sessionId } = await call("Target.attachToTarget", { targetId, flatten: true }));
for (const domain of ["Page", "Runtime", "Network", "Log"]) await call(`${domain}.enable`);

const keys = { Enter: 13, Escape: 27, Tab: 9, ArrowUp: 38, ArrowDown: 40, ArrowLeft: 37, ArrowRight: 39, Home: 36, End: 35, " ": 32 };
async function answer(question) {
  if (question.open) {
    await call("Emulation.setDeviceMetricsOverride", { width: question.width, height: question.height, deviceScaleFactor: 1, mobile: false });
    await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: question.dark ? "dark" : "light" }] });
    asked.length = 0;
    complaints.length = 0;
    const loaded = new Promise((done) => waiting.set("load", done));
    await call("Page.navigate", { url: question.open });
    await loaded;
    return true;
  }
  if (question.press) {
    const text = { Enter: "\r", " ": " " }[question.press];
    const key = { key: question.press, code: question.press === " " ? "Space" : question.press, windowsVirtualKeyCode: keys[question.press], modifiers: question.shift ? 8 : 0 };
    await call("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", ...key, ...(text ? { text } : {}) });
    await call("Input.dispatchKeyEvent", { type: "keyUp", ...key });
    return true;
  }
  if (question.type) return (await call("Input.insertText", { text: question.type }), true);
  if (question.picture) {
    const { data } = await call("Page.captureScreenshot", { format: "png" });
    return (writeFileSync(question.picture, Buffer.from(data, "base64")), true);
  }
  if (question.ask === "requests") return asked;
  if (question.ask === "complaints") return complaints;
  const { result, exceptionDetails } = await call("Runtime.evaluate", { expression: question.ask, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value ?? null;
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ answer: await answer(JSON.parse(line)) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
browser.kill();
process.exit(0);
