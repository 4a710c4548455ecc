export { Client, type ClientOptions, type SendOptions } from "./client.js";
export { LastwordError, Unavailable } from "./errors.js";
export type { Answer, Compaction, DeliveryOutcome, Drain, End, Session, Start } from "./event.js";
