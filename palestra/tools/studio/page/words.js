// All words of the page, in its languages: [English, Chinese].
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
  none_found: ["No run fits.", "没有符合条件的记录。"], run_one: ["run", "次训练"], run_many: ["runs", "次训练"],
  mean_best: ["mean of the best agents", "最佳智能体平均回报"], choose: ["Choose", "选择"], choose_all: ["Choose all of", "全选"],
  chosen: ["chosen", "项已选"], clear: ["Clear", "清除"], choose_some: ["Choose some runs to compare first.", "请先选择要比较的训练记录。"],
  seed: ["Seed", "种子"], steps: ["Steps", "步数"], step: ["Step", "第几步"], best: ["Best", "最佳"], last: ["Last", "最后"],
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
  stop: ["Stop", "停止"], resume: ["Resume", "继续"], export: ["Export", "导出"],
  stop_done: ["It stops after its next report; everything so far is kept.", "将在下次报告后停止，已有内容都会保留。"],
  resume_done: ["It goes on in a process of its own.", "已在独立进程中继续。"],
  game: ["The game's picture", "游戏画面"], opening: ["The agent takes its place …", "智能体正在就位……"],
  return: ["Return", "回报"], reward: ["Reward", "奖励"], action: ["Action", "动作"], you: ["you", "你"],
  over_ended: ["The episode has ended.", "回合结束。"], over_time: ["Time is up.", "时间到。"],
  probabilities: ["How likely each action is", "各动作的概率"], values: ["What each action is worth", "各动作的价值"], decision: ["Its decision", "智能体的决定"],
  estimate: ["value of this moment", "当前状态价值"], would_do: ["It would do", "它会选择"], observed: ["What it observes", "观测"], picture_seen: ["A picture.", "一幅画面。"],
  beside: ["Beside it", "并排对比"], nobody: ["nobody", "无"], moment: ["Moment of the episode", "回合中的时刻"], speed: ["Speed", "速度"],
  branches: ["Branches", "分支"], branch: ["Branch from here", "从此处分支"], branch_n: ["Branch", "分支"],
  branch_hint: ["Go back and branch, take over or change the world: what was before is kept beside it.", "可回到任一时刻分支、接管或改变环境，原来的过程会保留。"],
  no_rewind: ["This environment runs on the host and gives no exact state: it goes on alone, without a way back.", "该环境在主机上运行，无法取得精确状态：只能向前，不能回退。"],
  start_seed: ["Start", "起始种子"], anew: ["New episode", "新回合"], step_back: ["One step back", "后退一步"], step_on: ["One step on", "前进一步"], to_start: ["To the start", "回到开头"],
  keys: ["Keys", "按键"], space: ["space", "空格"], keys_hint: ["The first key takes over; Escape pauses and hands back.", "按任一键即接管；Esc 暂停并交还。"],
  keys_turns: ["The game waits for each of your keys; hand back and the agent goes on.", "游戏会等待你的每次按键；交还后智能体继续。"], no_keys: ["There are no keys for such actions.", "此类动作没有对应按键。"],
  world: ["The world", "环境参数"], world_hint: ["Change a number and see whether the agent copes.", "修改数值，看看智能体能否应对。"],
  pause: ["Pause", "暂停"], go: ["Play", "播放"], take_over: ["Take over", "接管"], hand_back: ["Hand back", "交还"],
  // What environments say of their numbers and actions; in English they say it themselves.
  "position [m]": [null, "位置 [m]"], "speed [m/s]": [null, "速度 [m/s]"], "speed [m/step]": [null, "速度 [m/步]"], "angle [rad]": [null, "角度 [rad]"],
  "angular speed [rad/s]": [null, "角速度 [rad/s]"], "cos(angle)": [null, "cos(角度)"], "sin(angle)": [null, "sin(角度)"],
  "cos(angle 1)": [null, "cos(角度 1)"], "sin(angle 1)": [null, "sin(角度 1)"], "cos(angle 2)": [null, "cos(角度 2)"], "sin(angle 2)": [null, "sin(角度 2)"],
  "angular speed 1 [rad/s]": [null, "角速度 1 [rad/s]"], "angular speed 2 [rad/s]": [null, "角速度 2 [rad/s]"],
  cell: [null, "格子"], situation: [null, "局面"], "own sum": [null, "己方点数"], "dealer's card": [null, "庄家明牌"], "usable ace": [null, "可用 A"],
  "push the cart left": [null, "向左推车"], "push the cart right": [null, "向右推车"], "push the car left": [null, "向左推车"], "push the car right": [null, "向右推车"],
  "turn clockwise": [null, "顺时针转"], "turn counterclockwise": [null, "逆时针转"], "turn the lower link clockwise": [null, "下连杆顺时针转"], "turn the lower link counterclockwise": [null, "下连杆逆时针转"],
  "go left": [null, "向左"], "go right": [null, "向右"], "go up": [null, "向上"], "go down": [null, "向下"],
  "drive left": [null, "向左开"], "drive right": [null, "向右开"], "drive up": [null, "向上开"], "drive down": [null, "向下开"],
  "pick the passenger up": [null, "接乘客"], "let the passenger out": [null, "放下乘客"], "hit: take a card": [null, "要牌"], "stick: stop": [null, "停牌"], hit: [null, "要牌"], stick: [null, "停牌"],
  "fire ahead": [null, "向前射击"], "fire upwards": [null, "向上射击"],
};

let spoken = localStorage.language || (navigator.language?.startsWith("zh") ? "zh" : "en");

export const language = () => spoken;
export function speak(name) { spoken = name; localStorage.language = name; }

/** A word or sentence in the page's language. */
export function t(key) {
  const words = WORDS[key];
  return (words && words[spoken === "zh" ? 1 : 0]) || key;
}
