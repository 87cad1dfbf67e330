"""What others call our settings, so that a wrong name is answered by what it means.

    hint("ent_coef", ["entropy_coef", "gamma"])     "here it is called entropy_coef."

The table holds the names of textbooks, of Stable-Baselines3 and its zoo, and of CleanRL. Only a
name that is spelled almost alike is taken for a slip of the hand; where nothing fits, no name is
suggested: one that only looks alike misleads.
"""

import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, signature
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable)
ALIKE = 0.8  # difflib's measure, from which on a word is taken for a slip of the hand

# Ours, and what others call it. Where one of their names stands in several rows, the first row
# counts whose own name is known to whoever was asked.
OURS_AND_THEIRS = {
    "n_step": "n_steps multi_step nstep n_step_return",
    "rollout_length": "n_steps num_steps t_max train_freq train_frequency unroll_length horizon "
    "steps_per_update update_every",
    "temperature": "alpha ent_coef entropy_coef entropy_regularization beta",
    "learning_rate": "lr alpha step_size stepsize eta q_lr critic_lr policy_lr actor_lr pi_lr",
    "actor_learning_rate": "policy_lr actor_lr pi_lr",
    "value_learning_rate": "vf_lr critic_lr value_lr",
    "anneal_steps": "anneal_lr lr_schedule learning_rate_schedule lr_decay use_linear_lr_decay",
    "gamma": "discount discount_factor",
    "gae_lambda": "lam lambda lambda_ lmbda gae gae_lam",
    "q_lambda": "lam lambda lambda_ lmbda",
    "epsilon_start": "exploration_initial_eps start_e eps_start initial_epsilon epsilon_init",
    "epsilon_end": "exploration_final_eps end_e eps_end epsilon_min final_epsilon min_epsilon eps "
    "epsilon",
    "epsilon_steps": "exploration_fraction eps_decay epsilon_decay exploration_steps",
    "initial_value": "q_init initial_q optimistic_initial_value optimism",
    "value_coef": "vf_coef value_loss_coef critic_coef vf_loss_coeff value_coefficient",
    "entropy_coef": "ent_coef entropy_coefficient entropy_coeff entropy_loss_coef beta",
    "max_grad_norm": "grad_clip gradient_clip clip_grad clip_grad_norm max_norm gradient_clipping",
    "normalize_advantage": "norm_adv normalise_advantage advantage_normalization",
    "normalize_obs": "norm_obs normalise_obs normalize normalize_observation "
    "normalize_observations obs_norm vec_normalize",
    "normalize_reward": "norm_reward normalize_rewards normalise_reward reward_norm",
    "log_std": "log_std_init initial_log_std std_init",
    "hidden": "net_arch policy_kwargs hidden_sizes hidden_size hidden_dim hidden_layers layers "
    "network units fc_layers",
    "activation": "activation_fn activation_function",
    "rms_prop": "use_rms_prop rmsprop",
    "sde": "use_sde gsde",
    "clip": "clip_range clip_coef clip_eps clip_epsilon eps_clip clip_param clip_ratio",
    "clip_value": "clip_range_vf clip_vloss vf_clip",
    "anneal_clip": "clip_schedule clip_range_schedule",
    "target_kl": "max_kl kl_target",
    "epochs": "n_epochs update_epochs ppo_epochs noptepochs num_epochs num_sgd_iter",
    "batch_size": "minibatch_size mini_batch_size batch",
    "minibatches": "num_minibatches n_minibatches nminibatches batch_size minibatch_size "
    "mini_batch_size",
    "memory_size": "buffer_size replay_size replay_buffer_size buffer capacity memory "
    "replay_memory replay_memory_size",
    "learning_starts": "start_steps warmup warmup_steps learning_start update_after "
    "min_buffer_size start_timesteps",
    "gradient_steps": "num_updates updates_per_step utd utd_ratio replay_ratio",
    "target_rate": "tau polyak soft_update soft_tau",
    "target_period": "target_update_interval target_network_frequency target_update "
    "target_update_freq target_update_period target_network_update_freq update_target_every",
    "double": "double_q double_dqn use_double",
    "dueling": "duel dueling_dqn use_dueling",
    "atoms": "n_atoms num_atoms",
    "quantiles": "n_quantiles num_quantiles",
    "value_min": "v_min vmin",
    "value_max": "v_max vmax",
    "priority_exponent": "prioritized_replay_alpha per_alpha priority_alpha",
    "importance_start": "prioritized_replay_beta prioritized_replay_beta0 per_beta beta",
    "policy_delay": "policy_frequency policy_freq actor_delay",
    "target_noise": "target_policy_noise policy_noise",
    "target_noise_clip": "noise_clip target_policy_noise_clip",
    "noise_std": "exploration_noise action_noise expl_noise act_noise",
    "noise": "noise_type",
    "learn_temperature": "autotune auto_entropy automatic_entropy_tuning",
    "worker_envs": "envs_per_worker",
    # Of a run.
    "steps": "total_timesteps n_timesteps num_timesteps timesteps total_steps max_steps "
    "num_env_steps max_timesteps frames",
    "num_envs": "n_envs nenvs num_workers n_workers workers num_environments num_processes n_env",
    "seed": "random_seed rng_seed random_state",
    "seeds": "num_seeds n_seeds",
    "run": "save_path log_dir logdir log_folder output out exp_name run_name model_path "
    "tensorboard_log folder save_dir",
    "quiet": "verbose silent no_progress progress_bar",
    "max_episode_steps": "time_limit max_ep_len max_steps_per_episode max_episode_length "
    "episode_length",
    "episodes": "num_episodes n_episodes test_episodes",
    "eval_episodes": "n_eval_episodes episodes_per_evaluation",
    "eval_envs": "n_eval_envs num_eval_envs",
    "eval_every": "eval_freq eval_frequency eval_interval evaluation_interval",
    "checkpoint_seconds": "save_freq checkpoint_freq save_interval save_every",
    "video": "capture_video record_video record save_video",
    "explore": "deterministic stochastic sample",
    "obs": "observation observations state",
    # Of environments.
    "pole_mass": "masspole",
    "cart_mass": "masscart",
    "half_length": "length pole_length",
    "force": "force_mag",
    "time_step": "tau dt",
    "max_angle": "theta_threshold_radians",
    "max_position": "x_threshold",
    "mass": "m",
    "length": "l",
    "is_slippery": "slippery",
    "map_name": "map_size",
    "env_kwargs": "environment_kwargs",
}
# What has no such setting here, and what to do in its place.
SAID = {
    "device": "where it runs is JAX's to say: set JAX_PLATFORMS=cpu, or cuda.",
    "policy": "the network follows from what is observed; hidden says how wide it is.",
    "callback": "there are no callbacks: palestra.train returns when the run is over, and "
    "metrics.jsonl grows with every report.",
    "track": "every run writes metrics.jsonl, one line of JSON a report.",
    "optimizer": "the optimizer is that of the algorithm's paper.",
    "learn": "palestra.train(env, algorithm, steps=...) trains, and returns the run.",
    "load": "palestra.load(run_folder) gives the agent of a run.",
    "save": "settings hold no weights: train saves the agent in its run folder, and "
    "run.agent.save(path) writes it elsewhere.",
    "predict": "settings hold no weights: palestra.train gives a run, and run.agent.predict acts.",
}
SAID |= {
    theirs: SAID[ours]
    for ours, names in {
        "device": "cuda gpu use_cuda use_gpu torch_deterministic n_threads",
        "track": "wandb wandb_project_name tensorboard tb_log_name log_interval logger",
        "policy": "policy_class features_extractor_class",
        "callback": "callbacks",
        "optimizer": "optimizer_class optimizer_kwargs optim",
    }.items()
    for theirs in names.split()
}
_MEANT: dict[str, list[str]] = {}
for _ours, _names in OURS_AND_THEIRS.items():
    for _theirs in _names.split():
        _MEANT.setdefault(_theirs, []).append(_ours)


def meant(word: str, known: Collection[str]) -> str | None:
    """The known name that a word stands for, by its meaning or a slip of the hand; None for none.

    Of a known name such as env.pole_mass the last part may stand alone.
    """
    plain = {name.rpartition(".")[2]: name for name in known} | {name: name for name in known}
    bare = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower().replace("-", "_")
    for name in (bare, *_MEANT.get(bare.rpartition(".")[2], ())):
        if name in plain:
            return plain[name]
    near = get_close_matches(bare, plain, n=1, cutoff=ALIKE)
    return plain[near[0]] if near and bare not in SAID else None


def hint(word: str, known: Collection[str], form: Callable[[str], str] = str) -> str | None:
    """The rest of a sentence that says what a wrong name should be; None where nothing fits.

    `form` writes one of the known names as the user would.
    """
    name = meant(word, known)
    if name is None:
        return SAID.get(word.lower().replace("-", "_"))
    bare = word.lower().replace("-", "_").rpartition(".")[2]
    if name.rpartition(".")[2] in _MEANT.get(bare, ()):
        return f"here it is called {form(name)}."
    return f"did you mean {form(name)}?"


def refuse(owner: str, words: Collection[str], known: Collection[str]) -> None:
    """Raise TypeError, with a hint, if one of the words is not known to `owner`."""
    for word in words:
        if word not in known:
            rest = hint(word, known) or f"it has: {', '.join(known) or 'none'}."
            raise TypeError(f"{owner} has no {word!r}; {rest}")


def by_name(function: F) -> F:
    """The function; a keyword argument that it does not have is answered by what was meant."""
    kinds = signature(function).parameters.values()
    known = [p.name for p in kinds if p.kind is not Parameter.VAR_KEYWORD and p.name != "self"]

    @wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= set(known):
            refuse(function.__qualname__, kwargs, known)
        return function(*args, **kwargs)

    return named  # type: ignore[return-value]
