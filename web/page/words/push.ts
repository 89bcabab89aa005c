/** The words of notifications by push services, apart from the others: they come with the screen that needs them. */
import { computed } from "@preact/signals";
import { language } from "../state/preferences.ts";

const en = {
  switchOn: "Notify this device while the page is closed",
  switchOff: "Do not notify this device while the page is closed",
  showText: "Show who wrote, and the beginning",
  how: "A push service of your browser's maker passes the notifications on, encrypted.",
  unsupported: "This browser takes none while the page is closed. On an iPhone, add the page to the home screen first.",
  failed: "The browser's push service could not be reached. Try again later.",
  one: "1 unread message",
  many: "{count} unread messages",
  called: "You were mentioned",
};
const zh: typeof en = {
  switchOn: "页面关闭时也通知此设备",
  switchOff: "页面关闭时不通知此设备",
  showText: "显示发送者和消息开头",
  how: "通知经加密后由浏览器厂商的推送服务转达。",
  unsupported: "此浏览器在页面关闭时无法接收通知。在 iPhone 上请先将页面添加到主屏幕。",
  failed: "无法连接浏览器的推送服务，请稍后再试。",
  one: "1 条未读消息",
  many: "{count} 条未读消息",
  called: "有人提到了你",
};

export const pushWords = computed(() => (language.value === "zh" ? zh : en));
