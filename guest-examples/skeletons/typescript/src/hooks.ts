// A Lastword plugin.

import "./console.js";

import type { SessionEnd } from "local:plugin/plugin";

// Called when a session has ended, at least once. `throw { tag: "retry", val: why }` asks to be called again later with the
// same `delivery.id`; `{ tag: "fatal", … }` says that this would not help.
export const sessionEnd: SessionEnd = (event) => {
  console.log(event.session.id, "ended:", event.reason);
};
