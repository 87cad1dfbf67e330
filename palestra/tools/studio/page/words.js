// All words of the page, in its languages: [English, Chinese].
import { SENTENCES } from "./chinese.js";
import { FORMS } from "./forms.js";

const WORDS = {
  runs: ["Runs", "训练记录"], run: ["Run", "训练"], compare: ["Compare", "比较"], play: ["Play", "观看与操作"],
  train: ["Train", "训练新智能体"], learn: ["Learn", "学习过程"],
  skip: ["Skip to the content", "跳到正文"], language: ["Language", "语言"],
  light: ["Light page", "浅色页面"], dark: ["Dark page", "深色页面"],
  loading: ["One moment …", "请稍候……"], cannot: ["This cannot be shown", "无法显示"],
  away: ["The studio does not answer; was it ended with Ctrl-C? Training goes on by itself.", "工作室没有响应：是否已用 Ctrl-C 结束？训练会自行继续。"],
  now: ["just now", "刚刚"], nothing_yet: ["nothing yet", "暂无数据"],
  search: ["Search", "搜索"], search_hint: ["name, environment, algorithm", "名称、环境、算法"],
  state: ["State", "状态"], any: ["any", "全部"], sort: ["Sort by", "排序"], group: ["Group over seeds", "按种子分组"],
  sort_age: ["newest", "最新"], sort_name: ["name", "名称"], sort_best: ["best agent", "最佳智能体"],
  sort_last: ["last agent", "最后智能体"], sort_steps: ["steps", "步数"],
  state_running: ["running", "运行中"], state_finished: ["finished", "已完成"], state_interrupted: ["interrupted", "已中断"],
  state_died: ["died", "意外终止"], state_damaged: ["damaged", "已损坏"],
  no_runs: ["There are no runs here yet", "这里还没有训练记录"],
  no_runs_hint: ["Start one on the page Train, or in a terminal:", "可在“训练新智能体”页面开始，或在终端中运行："],
  zoo: ["Agents that come with Palestra", "自带的智能体"], zoo_hint: ["Trained beforehand; the mean return of 100 greedy episodes with its 95 % interval. They play, are taken over from and compared as those of your runs.", "已预先训练；所列为 100 个贪心回合的平均回报及 95% 区间。可像自己训练的智能体一样观看、接管和比较。"],
  plays_now: ["An agent at play", "智能体正在游戏"], play_with_it: ["Rewind it, take over, change its world", "回退、接管或改变环境"], scores: ["mean return", "平均回报"],
  none_found: ["No run fits.", "没有符合条件的记录。"], run_one: ["run", "次训练"], run_many: ["runs", "次训练"],
  mean_best: ["mean of the best agents", "最佳智能体平均回报"], choose: ["Choose", "选择"], choose_all: ["Choose all of", "全选"],
  chosen: ["chosen", "项已选"], clear: ["Clear", "清除"], choose_some: ["Choose some runs to compare first.", "请先选择要比较的训练记录。"],
  seed: ["Seed", "种子"], steps: ["Steps", "步数"], step: ["Step", "时间步"], best: ["Best", "最佳"], last: ["Last", "最后"],
  age: ["Began", "开始于"], back: ["All runs", "全部记录"],
  evaluation_seeds: ["evaluation, mean over seeds with 95 % interval", "评估：各种子均值与 95% 区间"],
  alike: ["Their settings are alike.", "设置相同。"], differ: ["Settings that differ", "不同的设置"], setting: ["Setting", "设置"],
  statistics: ["Statistics", "统计"], no_statistics: ["Statistics come with the first finished run.", "第一次训练完成后显示统计。"],
  solved_at: ["solved at", "解决标准"], curve: ["Learning curve", "学习曲线"], return_training: ["return while training, last 100 episodes", "训练回报（最近 100 回合）"],
  evaluation: ["greedy evaluation, 95 % interval", "贪心评估（95% 区间）"], each_point: ["each point the mean of", "每点为均值，合并报告数："],
  learning: ["Losses and more", "损失及其他指标"], settings: ["Settings", "设置"], result: ["Result", "结果"], doctor: ["Doctor", "诊断"],
  healthy: ["Nothing wrong was found.", "未发现问题。"], video: ["An episode of the best agent", "最佳智能体的一回合"],
  again: ["To do it again", "重复此训练"], machine: ["Machine and versions", "机器与版本"], files: ["Files", "文件"], file: ["File", "文件"],
  size: ["Size", "大小"], what: ["What", "项目"], value: ["Value", "值"], usual: ["usually", "默认"],
  agent: ["Agent", "智能体"], mean_return: ["Mean return", "平均回报"], interval: ["95 % interval", "95% 区间"], judged_in: ["Judged in", "评估环境"],
  solved: ["Solved.", "已解决。"], copy: ["Copy", "复制"], copied: ["Copied.", "已复制。"],
  said_steps: ["Environment steps, summed over environments.", "环境步数（所有环境之和）。"],
  said_num_envs: ["Environments side by side.", "并行环境数。"], said_seed: ["The seed of all chance.", "所有随机性的种子。"],
  said_env: ["A parameter of the environment.", "环境参数。"],
  stop: ["Stop", "停止"], resume: ["Resume", "继续"], export: ["Export", "导出"], reproduce: ["Reproduce", "复现"],
  stop_done: ["It stops after its next report; everything so far is kept.", "将在下次报告后停止，已有内容都会保留。"],
  resume_done: ["It goes on in a process of its own.", "已在独立进程中继续。"],
  game: ["The game's picture", "游戏画面"], opening: ["The agent takes its place …", "智能体正在就位……"],
  return: ["Return", "回报"], reward: ["Reward", "奖励"], action: ["Action", "动作"], you: ["you", "你"],
  over_ended: ["The episode has ended.", "回合结束。"], over_time: ["Time is up.", "时间到。"],
  probabilities: ["How likely each action is", "各动作的概率"], values: ["What each action is worth", "各动作的价值"], decision: ["Its decision", "智能体的决定"],
  estimate: ["value of this moment", "当前状态价值"], would_do: ["It would do", "它会选择"], observed: ["What it observes", "观测"], picture_seen: ["A picture.", "一幅画面。"],
  beside: ["Beside it", "并排对比"], nobody: ["nobody", "无"], moment: ["Moment of the episode", "回合中的时刻"], speed: ["Speed", "速度"],
  branches: ["Branches", "分支"], branch: ["Branch from here", "从此处分支"],
  branch_hint: ["Go back and branch, take over or change the world: what was before is kept beside it.", "可回到任一时刻分支、接管或改变环境，原来的过程会保留。"],
  no_rewind: ["This environment runs on the host and gives no exact state: it goes on alone, without a way back.", "该环境在主机上运行，无法取得精确状态：只能向前，不能回退。"],
  start_seed: ["Start", "起始种子"], anew: ["New episode", "新回合"], step_back: ["One step back", "后退一步"], step_on: ["One step on", "前进一步"], to_start: ["To the start", "回到开头"],
  keys: ["Keys", "按键"], space: ["space", "空格"], keys_hint: ["The first key takes over; Escape pauses and hands back.", "按任一键即接管；Esc 暂停并交还。"],
  keys_together: ["Keys held together act together.", "同时按住的键共同生效。"],
  keys_turns: ["The game waits for each of your keys; hand back and the agent goes on.", "游戏会等待你的每次按键；交还后智能体继续。"],
  pad_hint: ["A gamepad plays too: press one of its buttons, so that the browser tells of it.", "也可用手柄：请先按手柄上任一键，浏览器才会识别。"],
  pad_here: ["The gamepad plays: stick and cross are the arrows, its buttons stand beside the other keys, Start pauses and hands back.", "手柄可用：摇杆和十字键即方向键，其他按钮标在按键旁，Start 暂停并交还。"], no_keys: ["There are no keys for such actions.", "此类动作没有对应按键。"],
  world: ["The world", "环境参数"], world_hint: ["Change a number and see whether the agent copes.", "修改数值，看看智能体能否应对。"],
  save: ["Save as film", "保存为影片"], keep: ["Save as data set", "保存为数据集"], saved: ["In the run's folder:", "已存入训练文件夹："], pause: ["Pause", "暂停"], go: ["Play", "播放"], take_over: ["Take over", "接管"], hand_back: ["Hand back", "交还"],
  begin: ["Start training", "开始训练"], begins: ["It begins: its program is made …", "正在启动并编译……"], begun: ["It trains, in a process of its own.", "已在独立进程中开始训练。"],
  queue_it: ["Wait for a free core", "排队等候空闲核心"], queues: ["It is put in the queue …", "正在加入队列……"], queued: ["It begins when a core is free.", "有空闲核心时开始。"],
  waiting: ["Waiting for a core", "等候空闲核心"], waiting_hint: ["They begin one after another, as many at once as there are cores, even when the studio has ended.", "依次开始，同时运行数不超过核心数；工作室关闭后也会继续。"], unqueue: ["Remove", "移除"],
  environment: ["Environment", "环境"], algorithm: ["Algorithm", "算法"], preset: ["Preset", "预设"], tuned: ["with a preset for this environment", "有此环境的预设"], untuned: ["others", "其他"],
  survives: ["It goes on by itself, even when the studio ends.", "训练独立进行，工作室关闭后仍会继续。"],
  group_run: ["The run", "训练"], group_algorithm: ["The algorithm", "算法"], group_env: ["The world", "环境"],
  said_seeds: ["Several seeds side by side, in place of one: 10 for 0 to 9, or 3,5,8.", "同时训练多个种子：10 表示 0 到 9，或写 3,5,8。"],
  said_max_episode_steps: ["Steps after which an episode is cut off; -1 for never.", "回合的最大步数；-1 表示不限。"],
  said_eval_every: ["Steps between evaluations on the way; empty for 25 a run.", "两次评估之间的步数；留空为每次训练 25 次。"],
  said_episodes: ["Greedy episodes of the final evaluation; empty for 100.", "最终评估的贪心回合数；留空为 100。"], said_video: ["Record an episode at the end.", "结束时录制一回合。"],
  said_stop_at: ["End where an evaluation has this mean return; empty for never.", "评估平均回报达到该值时结束；留空为不提前结束。"],
  world_learned: ["The world, with the value of the best choice in each cell", "环境：每格最佳选择的价值"], returns_learned: ["Returns while it learns", "学习中的回报"], mean_20: ["mean of 20 episodes", "20 回合平均"],
  episodes: ["Episodes", "回合数"], settings_hint: ["Change a number: it learns on with it at once, and keeps what it knows.", "修改数值会立即生效，已学内容保留。"], table_cell: ["The table, in one cell", "某一格的价值表"],
  point_hint: ["point at another in the picture, or go there by arrow keys", "可将指针移到图中其他格，或用方向键前往"], one_update: ["One update", "更新一次"], learn_on: ["Learn", "学习"], forget: ["Forget all", "重新学习"], rollout: ["Steps between its updates:", "两次更新之间的步数："],
  choices_drawn: ["What it does", "它的选择"], values_drawn: ["What it expects from there on", "预期回报"], here_now: ["where it is now", "当前位置"], least: ["least", "最小"], most: ["most", "最大"],
  // What environments say of their numbers and actions; in English they say it themselves.
  "position [m]": [null, "位置 [m]"], "speed [m/s]": [null, "速度 [m/s]"], "speed [m/step]": [null, "速度 [m/步]"], "angle [rad]": [null, "角度 [rad]"],
  "angular speed [rad/s]": [null, "角速度 [rad/s]"], "cos(angle)": [null, "cos(角度)"], "sin(angle)": [null, "sin(角度)"],
  "cos(angle 1)": [null, "cos(角度 1)"], "sin(angle 1)": [null, "sin(角度 1)"], "cos(angle 2)": [null, "cos(角度 2)"], "sin(angle 2)": [null, "sin(角度 2)"],
  "angular speed 1 [rad/s]": [null, "角速度 1 [rad/s]"], "angular speed 2 [rad/s]": [null, "角速度 2 [rad/s]"],
  cell: [null, "格子"], situation: [null, "局面"], "own sum": [null, "己方点数"], "dealer's card": [null, "庄家明牌"], "usable ace": [null, "可用 A"],
  "push the cart left": [null, "向左推车"], "push the cart right": [null, "向右推车"], "push the car left": [null, "向左推车"], "push the car right": [null, "向右推车"],
  "turn clockwise": [null, "顺时针转"], "turn counterclockwise": [null, "逆时针转"], "turn the lower link clockwise": [null, "下连杆顺时针转"], "turn the lower link counterclockwise": [null, "下连杆逆时针转"],
  "angle of the pole [rad]": [null, "杆的角度 [rad]"], "its speed [rad/s]": [null, "角速度 [rad/s]"], "angle from upright [rad]": [null, "偏离竖直的角度 [rad]"],
  "go left": [null, "向左"], "go right": [null, "向右"], "go up": [null, "向上"], "go down": [null, "向下"],
  "drive left": [null, "向左开"], "drive right": [null, "向右开"], "drive up": [null, "向上开"], "drive down": [null, "向下开"],
  "pick the passenger up": [null, "接乘客"], "let the passenger out": [null, "放下乘客"], "hit: take a card": [null, "要牌"], "stick: stop": [null, "停牌"], hit: [null, "要牌"], stick: [null, "停牌"],
  fire: [null, "开火"], "go up and right": [null, "向右上"], "go up and left": [null, "向左上"], "go down and right": [null, "向右下"], "go down and left": [null, "向左下"],
  wait: [null, "等待"], "top left": [null, "左上"], "top middle": [null, "上中"], "top right": [null, "右上"], "middle left": [null, "左中"], "middle middle": [null, "正中"], "middle right": [null, "右中"],
  "bottom left": [null, "左下"], "bottom middle": [null, "下中"], "bottom right": [null, "右下"], "fire ahead": [null, "向前射击"], "fire upwards": [null, "向上射击"],
};

let spoken = localStorage.language || (navigator.language?.startsWith("zh") ? "zh" : "en");

export const language = () => spoken;
export function speak(name) { spoken = name; localStorage.language = name; }

/** A word or sentence in the page's language: of the page by its key, of the program as it says it. */
export function t(key) {
  const words = WORDS[key];
  if (spoken !== "zh") return words?.[0] || key;
  return words?.[1] || ofProgram(key);
}

// A word of the page's own, such as "seed", is no word of the program, where it is a name.
const ofProgram = (text) => (WORDS[text]?.[0] === null ? WORDS[text][1] : SENTENCES[text] || FORMS[text] || likewise(text));
const HOLE = /\{#?\}/g;
const letters = ([form]) => form.replace(HOLE, "").length;
let known; // forms as expressions, the most particular first; made when the first one is asked for

/** What has names and numbers in it, each of them in Chinese too where there is any. */
function likewise(text) {
  known ||= Object.entries(FORMS).filter(([form]) => form.match(HOLE)).sort((a, b) => letters(b) - letters(a)).map(([form, words]) => {
    const inside = form.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replaceAll("{}", "([^]+?)").replaceAll("{#}", "([-−+.,\\de]+)");
    return [new RegExp(`^${inside}$`), words];
  });
  for (const [form, words] of known) {
    const found = form.exec(text);
    let next = 0;
    if (found) return words.replace(/\{(\d?)\}/g, (_, at) => ofProgram(found[at ? Number(at) + 1 : ++next]));
  }
  return text;
}
